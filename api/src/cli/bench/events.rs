//! Events of about 400 bytes, as an agent's SDK would send them.

use std::fmt::{Result, Write};

use clap::ValueEnum;

/// What the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mix {
    /// It calls tools.
    Calls,
    /// It asks a model, is answered, calls a tool and gets its result, again and again.
    Agent,
}

/// Where the events belong.
pub(super) struct Origin<'a> {
    pub(super) session: &'a str,
    /// Of event ids; 12 hexadecimal digits follow.
    pub(super) id_prefix: &'a str,
}

impl Mix {
    /// A request's body with these numbers.
    pub(super) fn body(self, origin: &Origin<'_>, first: u64, batch: usize) -> String {
        let mut body = String::with_capacity(batch * 520 + 16);
        body.push_str("{\"events\":[");
        for sequence in first..first + batch as u64 {
            if sequence > first {
                body.push(',');
            }
            // Writing to a String does not fail.
            let _ = self.event(origin, sequence, &mut body);
        }
        body.push_str("]}");
        body
    }

    fn event(self, origin: &Origin<'_>, sequence: u64, body: &mut String) -> Result {
        let Origin { session, id_prefix } = origin;
        let (event_type, payload): (_, fn(u64, &mut String) -> Result) = match (self, sequence % 4)
        {
            (Self::Calls, _) => ("TOOL_CALL", call),
            (Self::Agent, 0) => ("MODEL_REQUEST", request),
            (Self::Agent, 1) => ("MODEL_RESPONSE", response),
            (Self::Agent, 2) => ("TOOL_CALL", call_of_order),
            (Self::Agent, _) => ("TOOL_RESULT", result_of_order),
        };
        write!(
            body,
            "{{\"event_id\":\"{id_prefix}{sequence:012x}\",\"session_id\":\"{session}\",\
             \"sequence_number\":{sequence},\"timestamp_wall\":\"2026-03-01T09:00:00.123456+01:00\",\
             \"event_type\":\"{event_type}\",\"actor_id\":\"ada@example.org\",\
             \"source_sdk_ver\":\"bench-1.0\",\"payload\":"
        )?;
        payload(sequence, body)?;
        body.write_char('}')
    }
}

fn call(sequence: u64, body: &mut String) -> Result {
    write!(
        body,
        "{{\"tool_name\":\"look_up_order\",\"args\":{{\"order_id\":\"ORD-{sequence}\",\
         \"amount\":12.5,\"express\":false,\"note\":\"deliver to the side door, please\"}}}}"
    )
}

fn request(sequence: u64, body: &mut String) -> Result {
    write!(
        body,
        "{{\"model\":\"large-2\",\"provider\":\"inhouse\",\"temperature\":0.2,\"messages\":[{{\
         \"role\":\"user\",\"content\":\"Where is my order ORD-{sequence}? It was to come on \
         Tuesday.\"}}]}}"
    )
}

fn response(sequence: u64, body: &mut String) -> Result {
    let tokens = 20 + sequence % 50;
    write!(
        body,
        "{{\"model\":\"large-2\",\"role\":\"assistant\",\"content\":\"I shall look up where it is, \
         one moment please.\",\"finish_reason\":\"tool_calls\",\"usage\":{{\"output\":{tokens}}}}}"
    )
}

/// Amounts are 2, 6, … 98 in turn: a policy that bounds them is broken as often as one likes.
fn call_of_order(sequence: u64, body: &mut String) -> Result {
    let amount = sequence % 100;
    write!(
        body,
        "{{\"tool_name\":\"look_up_order\",\"tool_call_id\":\"call-{sequence}\",\"args\":{{\
         \"order_id\":\"ORD-{sequence}\",\"amount\":{amount},\"express\":false,\
         \"note\":\"deliver to the side door, please\"}}}}"
    )
}

fn result_of_order(sequence: u64, body: &mut String) -> Result {
    let call = sequence - 1;
    write!(
        body,
        "{{\"tool_name\":\"look_up_order\",\"tool_call_id\":\"call-{call}\",\"result\":{{\
         \"order_id\":\"ORD-{call}\",\"state\":\"on its way\",\"depot\":\"north\"}},\
         \"status\":\"success\",\"duration_ms\":12}}"
    )
}
