//! The driver of the conformance suite for this client: see test/conformance/PROTOCOL.md.

mod args;
mod conditions;
mod forms;
mod handles;
mod live;
mod streams;
mod vectors;

use args::Args;
use forms::Failure;
use live::Driver;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut driver = Driver::default();
    let mut lines = BufReader::new(stdin()).lines();
    let mut out = stdout();
    while let Some(line) = lines.next_line().await? {
        let answer = answer(&mut driver, &line).await;
        out.write_all(format!("{answer}\n").as_bytes()).await?;
        out.flush().await?;
    }
    Ok(())
}

/// Numbers of documents are doubles: 2^63 may be written as 9223372036854776000, which is another integer.
fn as_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none_or(|integer| integer.unsigned_abs() > 1 << 53) => {
            json!(number.as_f64())
        }
        Value::Array(list) => list.into_iter().map(as_doubles).collect(),
        Value::Object(object) => object.into_iter().map(|(key, member)| (key, as_doubles(member))).collect(),
        other => other,
    }
}

async fn answer(driver: &mut Driver, line: &str) -> Value {
    let args = match serde_json::from_str(line) {
        Ok(args) => Args(as_doubles(args)),
        Err(error) => return json!({ "error": Failure::from(error.to_string()).form() }),
    };
    let answer = match vectors::run(&args) {
        Some(answer) => answer,
        None => driver.run(&args).await,
    };
    match answer {
        Ok(ok) => json!({ "id": args.0["id"], "ok": ok }),
        Err(failure) => json!({ "id": args.0["id"], "error": failure.form() }),
    }
}
