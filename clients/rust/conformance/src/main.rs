//! The driver of the conformance suite for this client: see test/conformance/PROTOCOL.md.

mod args;
mod forms;
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

async fn answer(driver: &mut Driver, line: &str) -> Value {
    let args = match serde_json::from_str(line) {
        Ok(args) => Args(args),
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
