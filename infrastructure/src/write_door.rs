//! What the stores behind the write door have in common: how a command is carried out, and what a
//! failure is called.

use std::error::Error;

use application::{AggregateId, CommandError, Committed, Metadata, PortError};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventStore};

/// Decides on what was loaded and commits. For stores that tell an event's position in its metadata.
pub(crate) async fn carry_out<A, S>(
    store: &S,
    id: &AggregateId,
    mut context: S::AC,
    command: A::Command,
    metadata: &Metadata,
) -> Result<Committed<A>, CommandError<A::Error>>
where
    A: Aggregate<Services = ()> + Clone,
    S: EventStore<A>,
{
    let sink = EventSink::default();
    context.aggregate().handle(command, &(), &sink).await.map_err(CommandError::Refused)?;
    let events = sink.collect().await;
    let state = context.aggregate().clone();
    let committed =
        store.commit(events, context, metadata.to_map(id.tenant)).await.map_err(command_error)?;
    let position = committed.last().and_then(|e| e.metadata.get("position")?.parse().ok());
    let events = committed.into_iter().map(|e| e.payload).collect();
    Ok(Committed { events, state, position })
}

/// What cqrs-es reports, in the terms of the port.
pub(crate) fn command_error<E: Error>(error: AggregateError<E>) -> CommandError<E> {
    match error {
        AggregateError::UserError(error) => CommandError::Refused(error),
        AggregateError::AggregateConflict => CommandError::Conflict,
        AggregateError::DatabaseConnectionError(cause)
        | AggregateError::DeserializationError(cause)
        | AggregateError::UnexpectedError(cause) => {
            CommandError::Port(PortError::new("the event store", cause))
        }
    }
}

/// An event that could not be written: somebody else took its number, or the database failed.
pub(crate) fn unwritten<E: Error>(error: sqlx::Error) -> AggregateError<E> {
    let database_error = error.as_database_error();
    let taken = database_error.is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if taken { AggregateError::AggregateConflict } else { database(error) }
}

pub(crate) fn database<E: Error>(error: sqlx::Error) -> AggregateError<E> {
    AggregateError::DatabaseConnectionError(Box::new(error))
}

pub(crate) fn unexpected<E: Error>(
    error: impl Into<Box<dyn Error + Send + Sync>>,
) -> AggregateError<E> {
    AggregateError::UnexpectedError(error.into())
}
