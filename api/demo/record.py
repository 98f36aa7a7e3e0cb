#!/usr/bin/env python3
"""Record a LangChain agent run as Exhibit request events, one JSON object a line.

    python3 -m venv /tmp/venv-langchain
    /tmp/venv-langchain/bin/pip install langchain==1.4.7 langchain-core==1.7.2 langgraph==1.2.22
    /tmp/venv-langchain/bin/python record.py > trace.jsonl

What is real: the agent loop (`create_agent`), the tool node, the retry and human-in-the-loop
middleware, the callbacks, every timestamp and duration. What is scripted, so that the run needs no
network and no key: the words of the chat model and its pauses, the reviewer's answer, and the shop
behind the tools with its one payment time-out.
The person and the order are invented; 4111 1111 1111 1111 is the usual test card number.

The output holds only what a client may send. Hashes and chain_authority are the server's to set.
"""
import json
import os
import re
import threading
import time
from datetime import date, datetime, timedelta
from importlib.metadata import version

os.environ["LANGSMITH_TRACING"] = "false"  # a recorder must not leak the run to another recorder

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ToolRetryMiddleware
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_core.utils.uuid import uuid7
from langgraph.callbacks import GraphCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

SDK = "py-recorder-1.0"
AGENT, REVIEWER = "service:refund-agent", "user:d.okafor"
ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


class Recorder(GraphCallbackHandler):  # a BaseCallbackHandler that also hears of interrupts
    """Turns callbacks into events; as a context manager it adds SESSION_START and SESSION_END."""

    raise_error = True  # LangChain swallows a handler's exceptions otherwise: evidence lost in silence

    def __init__(self):
        self.session_id, self.events = str(uuid7()), []
        self.lock = threading.Lock()  # tools run in worker threads; numbers must not repeat
        self.open_runs = {}  # run_id -> name, call id and start of what has not ended yet

    def record(self, event_type, payload, actor=AGENT):
        with self.lock:
            self.events.append({
                "event_id": str(uuid7()), "session_id": self.session_id, "sequence_number": len(self.events),
                "timestamp_wall": datetime.now().astimezone().isoformat(timespec="microseconds"),
                "timestamp_monotonic": time.monotonic(), "event_type": event_type, "actor_id": actor,
                "source_sdk_ver": SDK, "schema_ver": "v0.6", "payload": payload})

    def __enter__(self):
        self.started = time.monotonic()
        self.record("SESSION_START", {
            "agent_id": "refund-agent", "environment": "dev", "framework": "langchain",
            "framework_version": version("langchain"), "sdk_version": SDK,
            "packages": {p: version(p) for p in ("langchain", "langchain-core", "langgraph")}})
        return self

    def __exit__(self, exc_type, exc, tb):
        self.record("SESSION_END", {"status": "failure" if exc else "success", "duration_ms": ms(self.started)})

    def on_chat_model_start(self, serialized, messages, *, run_id, metadata=None, **kwargs):
        self.open_runs[run_id] = (metadata["ls_model_name"], time.monotonic())
        self.record("MODEL_REQUEST", {"model": metadata["ls_model_name"], "provider": metadata["ls_provider"],
                                      "messages": [plain(m) for m in messages[0]]})

    def on_llm_end(self, response, *, run_id, **kwargs):
        model, start = self.open_runs.pop(run_id)
        message = response.generations[0][0].message
        self.record("MODEL_RESPONSE", {"model": model, **plain(message), "duration_ms": ms(start),
                                       "finish_reason": message.response_metadata["finish_reason"]})

    def on_tool_start(self, serialized, input_str, *, run_id, inputs=None, tool_call_id=None, **kwargs):
        self.open_runs[run_id] = (serialized["name"], tool_call_id, time.monotonic())
        self.record("TOOL_CALL", {"tool_name": serialized["name"], "args": inputs, "tool_call_id": tool_call_id})

    def on_tool_end(self, output, *, run_id, **kwargs):
        # A dict comes back as JSON text; the record keeps its structure. A handled failure also ends up here.
        result = json.loads(output.content) if output.content.startswith("{") else output.content
        self.tool_result(run_id, output.status, result)

    def on_tool_error(self, error, *, run_id, **kwargs):
        self.tool_result(run_id, "error", {"error_type": type(error).__name__, "message": str(error)})

    def tool_result(self, run_id, status, result):
        name, call_id, start = self.open_runs.pop(run_id)
        self.record("TOOL_RESULT", {"tool_name": name, "tool_call_id": call_id, "status": status, "result": result,
                                    "duration_ms": ms(start)})

    def on_custom_event(self, name, data, **kwargs):
        self.record(name, data)

    def on_interrupt(self, event):
        self.record("AGENT_STATE_SNAPSHOT", {
            "state": "awaiting_human_review", "checkpoint_id": event.checkpoint_id,
            "pending": [{"tool_name": a["name"], "args": a["args"]} for i in event.interrupts for a in i.value["action_requests"]]})

    def on_chain_error(self, error, *, parent_run_id=None, **kwargs):
        # Inner chains are plumbing: an interrupt passes through them as an exception, a failure repeats at each level.
        if parent_run_id is None:
            self.record("ERROR", {"error_type": type(error).__name__, "message": str(error), "fatal": True})


def ms(start):
    return round((time.monotonic() - start) * 1000, 3)


def plain(message):
    calls = [{k: c[k] for k in ("id", "name", "args")} for c in getattr(message, "tool_calls", [])]
    answers = getattr(message, "tool_call_id", None)
    return {"role": ROLES[message.type], "content": message.content,
            **({"tool_calls": calls} if calls else {}), **({"tool_call_id": answers} if answers else {})}


ORDER = {"order_id": "A-20871", "customer": {"name": "Maria Keller", "email": "maria.keller@example.org"},
         "items": [{"sku": "CM-410", "title": "Filter coffee maker, glass carafe", "quantity": 1, "price": 129.9}],
         "total": 129.9, "currency": "EUR", "status": "delivered", "delivered_on": str(date.today() - timedelta(days=12)),
         "payment": {"method": "card", "card_number": "4111 1111 1111 1111"}, "refunds": []}
seen_keys = set()


class PaymentGatewayTimeout(Exception): ...


@tool
def look_up_order(order_id: str) -> dict:
    """Return an order with its customer, items, payment and delivery."""
    time.sleep(0.08)
    return {ORDER["order_id"]: ORDER}[order_id]


@tool
def check_refund_policy(order_id: str, reason: str) -> dict:
    """Decide whether an order may be refunded, and whether a person must approve it."""
    time.sleep(0.03)
    days, total = (date.today() - date.fromisoformat(ORDER["delivered_on"])).days, ORDER["total"]
    eligible = days <= 30 and reason in ("damaged", "defective", "wrong_item")
    outcome = {"eligible": eligible, "max_amount": total if eligible else 0, "currency": "EUR",
               "requires_human_review": total > 100, "policy": "refund-policy/2.3"}
    dispatch_custom_event("DECISION_TRACE", {
        "decision_id": f"refund-eligibility-{order_id}", "outputs": outcome,
        "inputs": {"order_id": order_id, "reason": reason, "days_since_delivery": days, "order_total": total},
        "justification": f"Reported as {reason} {days} days after delivery; the policy allows 30 days for damaged, defective "
                         f"or wrong items. The total of {total:.2f} EUR is {'above' if total > 100 else 'within'} the "
                         f"100.00 EUR limit for refunds without a person."})
    return outcome


@tool
def issue_refund(order_id: str, amount: float, currency: str, idempotency_key: str) -> dict:
    """Refund an amount to the card the order was paid with."""
    if idempotency_key not in seen_keys:
        seen_keys.add(idempotency_key)
        time.sleep(1.5)
        raise PaymentGatewayTimeout("no answer from payments.internal after 1500 ms; outcome unknown")
    time.sleep(0.35)
    return {"refund_id": "RF-20871-1", "order_id": order_id, "amount": amount, "currency": currency,
            "card_last4": "1111", "state": "completed", "idempotency_key": idempotency_key}


@tool
def send_email(to: str, subject: str, body: str) -> dict:
    """Send an e-mail to a customer."""
    time.sleep(0.14)
    return {"queued": True, "to": to, "message_id": f"<{uuid7()}@mail.shop.example>"}


class ScriptedModel(GenericFakeChatModel):
    """Answers from a list, after a pause. The agent treats it as any other chat model."""

    def bind_tools(self, tools, **kwargs):
        return self  # the script knows its tools already

    def _get_ls_params(self, stop=None, **kwargs):
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_model_name": "scripted-refund-model", "ls_provider": "scripted"}

    def _generate(self, messages, *args, **kwargs):
        time.sleep(0.5 + 0.06 * len(messages))  # a longer context takes longer
        return super()._generate(messages, *args, **kwargs)


def says(text, *call):
    calls = [{"id": f"call_{uuid7().hex[-12:]}", "name": call[0], "args": call[1]}] if call else []
    return AIMessage(text, tool_calls=calls, response_metadata={"finish_reason": "tool_calls" if calls else "stop"})


COMPLAINT = """Hello, my coffee maker (order A-20871) arrived with a crack in the glass carafe and it leaks all over \
the kitchen counter. I wrote twice last week and nobody answered. I want my money back, please, not a voucher. \
I paid with my card 4111 1111 1111 1111. You can reach me at maria.keller@example.org. Maria Keller"""
SYSTEM = """You are the refund agent of a household goods shop. Look up the order before anything else, check the refund \
policy, and refund no more than it allows. A person approves refunds. Confirm the outcome to the customer by e-mail."""
MAIL = """Dear Maria Keller, I am sorry about the cracked carafe, and that your first two messages went unanswered. We have \
refunded 129.90 EUR to the card ending in 1111 (reference RF-20871-1). It usually appears within 3 to 5 working days. You need \
not send anything back. Your refund team"""

SCRIPT = [
    says("I will look up the order first.", "look_up_order", {"order_id": "A-20871"}),
    says("The order exists and was delivered. A cracked carafe counts as damaged; I will check what the policy allows.",
         "check_refund_policy", {"order_id": "A-20871", "reason": "damaged"}),
    says("The full amount may be refunded, and it needs a person's approval. I request it now.", "issue_refund",
         {"order_id": "A-20871", "amount": 129.9, "currency": "EUR", "idempotency_key": "refund-A-20871-1"}),
    says("The refund went through. I will confirm it to the customer.", "send_email",
         {"to": "maria.keller@example.org", "subject": "Your refund for order A-20871", "body": MAIL}),
    says("Maria Keller has been refunded 129.90 EUR for order A-20871 (RF-20871-1) and told so by e-mail."),
]


def run(recorder):
    agent = create_agent(
        ScriptedModel(messages=iter(SCRIPT)), [look_up_order, check_refund_policy, issue_refund, send_email],
        system_prompt=SYSTEM, checkpointer=InMemorySaver(),
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"issue_refund": True}),
                    ToolRetryMiddleware(tools=["issue_refund"], retry_on=(PaymentGatewayTimeout,), max_retries=2,
                                        initial_delay=0.6, jitter=False)])
    config = {"callbacks": [recorder], "configurable": {"thread_id": recorder.session_id}}
    paused = agent.invoke({"messages": [("user", COMPLAINT)]}, config)
    refund = paused["__interrupt__"][0].value["action_requests"][0]["args"]
    time.sleep(21.4)  # the reviewer reads
    recorder.record("ANNOTATION", {"annotator_id": REVIEWER, "annotation_type": "comment", "content": {
        "order_id": refund["order_id"], "text": "Policy applied correctly; glass breakage, no return needed. Two earlier "
        "e-mails went unanswered: raised with the support lead. Customers should not send card numbers by e-mail."}}, REVIEWER)
    time.sleep(3.7)
    recorder.record("refund.approved", {**refund, "approved_by": REVIEWER,
                                        "decision_id": f"refund-eligibility-{refund['order_id']}"}, REVIEWER)
    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)


# Required payload keys (evidence.md, 1.1); after "=" the closed set of values.
REQUIRED = {
    "SESSION_START": "agent_id environment=prod|staging|dev framework framework_version sdk_version",
    "SESSION_END": "status=success|failure|timeout|cancelled duration_ms", "AGENT_STATE_SNAPSHOT": "",
    "MODEL_REQUEST": "model provider messages", "TOOL_CALL": "tool_name args",
    "MODEL_RESPONSE": "model content role=assistant finish_reason=stop|length|tool_calls|content_filter",
    "TOOL_RESULT": "tool_name result status=success|error duration_ms", "ERROR": "error_type message fatal",
    "DECISION_TRACE": "decision_id inputs outputs justification",
    "ANNOTATION": "annotator_id annotation_type=flag|comment|rating content"}
OBJECTS = {"TOOL_CALL": "args", "ANNOTATION": "content"}


def check(events):
    """Refuse to write a trace that the server would refuse."""
    for event in events:
        kind, payload = event["event_type"], event["payload"]
        where = f"event {event['sequence_number']} ({kind})"
        assert kind in REQUIRED or re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", kind), where
        for rule in REQUIRED.get(kind, "").split():
            key, _, values = rule.partition("=")
            assert key in payload, f"{where}: {key} is missing"
            assert not values or payload[key] in values.split("|"), f"{where}: {key} is {payload[key]!r}"
        assert kind not in OBJECTS or isinstance(payload[OBJECTS[kind]], dict), where
        assert kind != "MODEL_REQUEST" or all({"role", "content"} <= m.keys() for m in payload["messages"]), where
        assert payload.get("duration_ms", 0) >= 0, where
    assert events[0]["event_type"] == "SESSION_START" and events[-1]["event_type"] == "SESSION_END"
    assert [e["sequence_number"] for e in events] == list(range(len(events)))


if __name__ == "__main__":
    recorder = Recorder()
    try:
        with recorder:
            run(recorder)
    finally:  # a run that failed is evidence too
        check(recorder.events)
        for event in recorder.events:
            print(json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
