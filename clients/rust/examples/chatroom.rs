//! A guest in a chat room that guests in other languages share: joins, shows what happens, says a few lines, leaves.
//! `make demo` in the root seats five together; alone: `cargo run --example chatroom [HOST:PORT]`.

use std::error::Error;
use std::time::Duration;

use chordstate::{Client, Document, json};
use serde_json::Value;
use tokio::sync::watch;

const ROOM: &str = "room:lobby";
const NAME: &str = "rust";
const LINES: [&str; 3] = ["Hello, Rust here.", "To me the room is an Arc of a map.", "I drop out of scope. Bye!"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50051".into());
    let client = Client::connect(address)?;

    let (tell, mut room) = watch::channel(Value::Null);
    let mut screen = Screen::default();
    let replica = client
        .replica([ROOM])
        .on_change(move |change| {
            let now = change.value.as_deref().cloned().map_or(Value::Null, Value::Object);
            screen.show(change.position.as_ref().map_or(0, |position| position.version), &now);
            tell.send_replace(now);
        })
        .start();
    replica.ready().await?;

    // Goes when this guest leaves, or soon after it has died.
    let here = json!({ "typing": false });
    let ttl = Duration::from_secs(2);
    let presence = client.presence(ROOM, ["participants", NAME], here, ttl, |error| eprintln!("{error}")).await?;
    client.update(ROOM).increment(["joined"], 1.0).await?;
    // `seats` is how many guests the talk waits for, if anybody set that.
    room.wait_for(|room| !room["participants"][NAME].is_null() && room["joined"].as_u64() >= room["seats"].as_u64())
        .await?;

    for text in LINES {
        pause().await;
        client.update(ROOM).merge(typing(true)).await?;
        pause().await;
        let message = json!({ "from": NAME, "text": text });
        client.update(ROOM).merge(typing(false)).append(["messages"], [message]).await?;
    }
    presence.close().await?;

    // The last one to leave made the last change.
    room.wait_for(|room| room["participants"].as_object().is_some_and(Document::is_empty)).await?;
    let (position, document) = (replica.position(ROOM).unwrap_or_default(), replica.get(ROOM).unwrap_or_default());
    let document = serde_json::to_string(&*document)?;
    println!("final {}:{}:{} {document}", position.epoch, position.version, position.digest);
    replica.close().await;
    Ok(())
}

fn typing(on: bool) -> Value {
    json!({ "participants": { NAME: { "typing": on } } })
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(200..700))).await;
}

/// Prints what is new: several changes may have come as one.
#[derive(Default)]
struct Screen {
    here: String,
    messages: usize,
}

impl Screen {
    fn show(&mut self, version: u64, room: &Value) {
        let Some(participants) = room["participants"].as_object() else { return };
        let mut names: Vec<&str> = participants.keys().map(String::as_str).collect();
        names.sort_unstable();
        let here = names.join(", ");
        names.retain(|name| participants[*name]["typing"] == true);
        let suffix = if names.is_empty() { String::new() } else { format!("  (typing: {})", names.join(", ")) };
        let messages = room["messages"].as_array().map_or(&[][..], Vec::as_slice);
        for message in messages.iter().skip(self.messages) {
            let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
            println!("v{version:<3} {}: {}{suffix}", text("from"), text("text"));
        }
        if here != self.here {
            println!("v{version:<3} in the room: {}", if here.is_empty() { "no one" } else { &here });
        }
        (self.here, self.messages) = (here, messages.len());
    }
}
