//! Ops that need no server: they run the client's own code on bytes and values.

use chordstate::internals::{KNOWN_BYTES_MAX, Tracker, from_struct, to_struct};
use chordstate::proto::chord::v1 as wire;
use chordstate::{Delta, Error, Position};
use prost::Message;
use prost_types::Struct;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::args::{Args, bytes};
use crate::forms::{self, Failure};

/// `None`: the op is none of these.
pub fn run(args: &Args) -> Option<Result<Value, Failure>> {
    Some(match args.text("op")? {
        "decode" => decode(args),
        "encode" => encode(args),
        "apply" => applied(args),
        "error" => error(args),
        "track" => track(args),
        _ => return None,
    })
}

fn message<M: Message + Default>(wire: &Value) -> Result<M, Failure> {
    M::decode(bytes(wire)?.as_slice()).map_err(|error| Failure::from(error.to_string()))
}

fn decode(args: &Args) -> Result<Value, Failure> {
    let message: Struct = message(&args.0["wire"])?;
    Ok(json!({ "value": from_struct(message) }))
}

fn encode(args: &Args) -> Result<Value, Failure> {
    use base64::Engine;
    let message = to_struct(args.document("value"))?;
    Ok(json!({ "wire": base64::prelude::BASE64_STANDARD.encode(message.encode_to_vec()) }))
}

fn applied(args: &Args) -> Result<Value, Failure> {
    let delta: wire::Delta = message(&args.0["wire"])?;
    let mut document = args.document("document");
    Delta::from(delta).apply_to(&mut document)?;
    Ok(json!({ "value": document }))
}

fn error(args: &Args) -> Result<Value, Failure> {
    let code = Code::from_i32(args.number("code").unwrap_or_default() as i32);
    let details = if args.0["details"].is_string() { bytes(&args.0["details"])? } else { Vec::new() };
    let error = Error::from(Status::with_details(code, args.text("message").unwrap_or_default(), details.into()));
    Ok(json!({ "error": forms::described(&error), "transient": error.is_transient() }))
}

fn track(args: &Args) -> Result<Value, Failure> {
    let room = args.number("knownBytesMax").map_or(KNOWN_BYTES_MAX, |bytes| bytes as usize);
    let mut tracker = Tracker::new(args.targets(), args.known(), room);
    let steps: Result<Vec<Value>, Failure> = args.list("steps").map(|step| tracked(&mut tracker, step)).collect();
    Ok(json!({ "steps": steps? }))
}

fn tracked(tracker: &mut Tracker, step: &Value) -> Result<Value, Failure> {
    if step["response"].is_null() {
        let known = |subscription: wire::Subscription| {
            let positions = subscription.known.into_iter().map(|(id, at)| (id, forms::position(&Position::from(at))));
            Value::Object(positions.collect())
        };
        let known: Vec<Value> = tracker.connect().into_iter().map(known).collect();
        return Ok(json!({ "known": known }));
    }
    Ok(match tracker.take(message(&step["response"])?) {
        Ok(events) => json!({ "events": events.iter().map(forms::event).collect::<Vec<_>>() }),
        Err(_) => json!({ "events": [], "gap": true }),
    })
}
