//! One event: what rules cost, beside the crate `cel`, and what looking for personal data costs.

use std::hint::black_box;
use std::sync::Arc;

use cel::{Env, Program, Value};
use domain::evidence::json::{self, DEPTH_MAX, Json};
use domain::personal_data;
use domain::policy::compile::CompiledPolicy;
use domain::policy::context::{Context, EventFacts, PiiFacts, SessionFacts};
use serde_json::json;

use crate::Outcome;
use crate::documents::{compile, five_clauses};
use crate::machine::call_ns;

/// The same five clauses as [`five_clauses`].
const CEL: &str = "payload.tool_name == 'look_up_order' \
    && event.type in ['TOOL_CALL', 'TOOL_RESULT', 'MODEL_REQUEST'] \
    && payload.args.amount <= 1000.0 \
    && payload.args.order_id.startsWith('ORD-') \
    && payload.args.note.contains('side door')";
const EVENTS: usize = 64;
const EVENT_TYPE: &str = "TOOL_CALL";

/// About 400 bytes, in canonical form. Every eighth asks for too much.
fn payloads() -> Vec<String> {
    (0..EVENTS)
        .map(|n| {
            let amount = if n % 8 == 0 { 1200.5 } else { 12.5 };
            format!(
                "{{\"args\":{{\"amount\":{amount},\"currency\":\"EUR\",\"express\":false,\
                 \"items\":[{{\"quantity\":2,\"sku\":\"A-{n}\"}},{{\"quantity\":1,\"sku\":\"B-{n}\"}}],\
                 \"note\":\"deliver to the side door, please, and ring twice\",\
                 \"order_id\":\"ORD-{n}\"}},\"channel\":\"chat\",\"region\":\"eu-west\",\
                 \"reasoning\":\"The customer asks where the order is, so its state is looked up first.\",\
                 \"tool_call_id\":\"call-{n}\",\"tool_name\":\"look_up_order\",\
                 \"trace\":{{\"depth\":3,\"span\":\"ab12\"}}}}"
            )
        })
        .collect()
}

pub(crate) fn clauses() -> Outcome<()> {
    let payloads = payloads();
    let length = payloads.iter().map(String::len).sum::<usize>() / EVENTS;
    let policy = compile(&five_clauses())?;
    let (warm, parsed) = ours(&policy, &payloads)?;
    let (cel_warm, cel_parsed) = cels(&policy, &payloads)?;
    println!("five clauses, {length} bytes of JSON, warm   {warm:>7.0} ns (limit 500)");
    println!("  … with the JSON read each time    {parsed:>7.0} ns");
    println!(
        "  cel 0.15, warm                    {cel_warm:>7.0} ns: {:.1} × ours (limit 10)",
        cel_warm / warm
    );
    println!(
        "  … with the JSON read each time    {cel_parsed:>7.0} ns: {:.1} × ours",
        cel_parsed / parsed
    );
    println!("  limited by: one core; walking from member to member of the tree");
    Ok(())
}

/// Nanoseconds warm, and with the JSON read.
fn ours(policy: &CompiledPolicy, payloads: &[String]) -> Outcome<(f64, f64)> {
    let known = Known::default();
    let trees = payloads.iter().map(|text| read(text)).collect::<Outcome<Vec<_>>>()?;
    let contexts: Vec<Context<'_>> = trees.iter().map(|tree| known.context(tree)).collect();
    let mut failures = Vec::new();
    let warm = call_ns(|n| {
        failures.clear();
        policy.failures(black_box(&contexts[n % EVENTS]), &mut failures);
        black_box(failures.is_empty());
    });
    let parsed = call_ns(|n| {
        failures.clear();
        if let Ok(tree) = read(black_box(&payloads[n % EVENTS])) {
            policy.failures(&known.context(&tree), &mut failures);
        }
        black_box(failures.is_empty());
    });
    Ok((warm, parsed))
}

/// The same by `cel`, which must come to the same answers.
fn cels(policy: &CompiledPolicy, payloads: &[String]) -> Outcome<(f64, f64)> {
    let known = Known::default();
    let program = Program::compile(CEL)?;
    let env = Arc::new(Env::stdlib());
    let read_for_cel = |text: &str| -> Outcome<cel::Context<'static, 'static>> {
        let payload: serde_json::Value = serde_json::from_str(text)?;
        let mut context = cel::Context::with_env(Arc::clone(&env));
        context.add_variable_from_value("payload", cel::to_value(payload)?);
        let event = json!({ "type": EVENT_TYPE, "sequence_number": 1 });
        context.add_variable_from_value("event", cel::to_value(event)?);
        Ok(context)
    };
    let contexts = payloads.iter().map(|text| read_for_cel(text)).collect::<Outcome<Vec<_>>>()?;
    for (text, context) in payloads.iter().zip(&contexts) {
        let tree = read(text)?;
        let mut failures = Vec::new();
        policy.failures(&known.context(&tree), &mut failures);
        let theirs = program.execute(context)?;
        if theirs != Value::Bool(failures.is_empty()) {
            return Err(format!("cel says {theirs:?} of {text}").into());
        }
    }
    let warm = call_ns(|n| {
        black_box(program.execute(black_box(&contexts[n % EVENTS])).is_ok());
    });
    let parsed = call_ns(|n| {
        if let Ok(context) = read_for_cel(black_box(&payloads[n % EVENTS])) {
            black_box(program.execute(&context).is_ok());
        }
    });
    Ok((warm, parsed))
}

fn read(text: &str) -> Outcome<Json<'_>> {
    Ok(json::parse(text.as_bytes(), DEPTH_MAX).map_err(|error| format!("{error:?}"))?.root)
}

/// What rules may ask of beside the payload.
#[derive(Default)]
struct Known {
    session: SessionFacts,
    pii: PiiFacts,
}

impl Known {
    fn context<'a>(&'a self, payload: &'a Json<'a>) -> Context<'a> {
        let event = EventFacts {
            id: "018f3c1e-0000-7000-8000-000000000001",
            event_type: EVENT_TYPE,
            sequence_number: 1,
            timestamp: "2026-03-01T09:00:00.123456+01:00",
            actor_id: Some("ada@example.org"),
            session_id: "018f3c1e-0000-7000-8000-000000000002",
        };
        Context { event, payload, session: &self.session, event_count: 2, pii: &self.pii }
    }
}

pub(crate) fn personal_data() -> Outcome<()> {
    let clean = payloads();
    let with_email: Vec<String> =
        clean.iter().map(|text| text.replace("eu-west", "ada@example.org")).collect();
    let [of_clean, of_email] = [&clean, &with_email]
        .map(|all| call_ns(|n| _ = black_box(personal_data::scan(black_box(&all[n % EVENTS])))));
    let found = |all: &[String]| all.iter().map(|text| personal_data::scan(text).len()).sum();
    let found: [usize; 2] = [found(&clean), found(&with_email)];
    if found != [0, EVENTS] {
        return Err(format!("personal data in {found:?} places").into());
    }
    let length = clean.iter().map(String::len).sum::<usize>() / EVENTS;
    println!("personal data, {length} bytes, none there  {:>7.2} µs (limit 2)", of_clean / 1e3);
    println!("  … an e-mail address there         {:>7.2} µs", of_email / 1e3);
    println!(
        "  limited by: one core; one pass over the text, and a tree when something is suspected"
    );
    Ok(())
}
