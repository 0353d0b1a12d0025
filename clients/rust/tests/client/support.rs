//! Real servers, and what tests share.

use std::env;
use std::io::{BufRead, BufReader, Write, stderr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, Weak};
use std::time::Duration;

use chordstate::{Client, Document, Error, Event, Reason, ResultStream};
use serde_json::Value;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `CHORD_SERVER_COMMAND`, or the repository's own server. `None` is reported on stderr, once.
fn server_command() -> Option<Vec<String>> {
    if let Ok(command) = env::var("CHORD_SERVER_COMMAND") {
        return Some(command.split_whitespace().map(str::to_owned).collect());
    }
    let main = root().join("dist/main.js");
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    if main.exists() && node.is_ok() {
        return Some(vec!["node".to_owned(), main.to_str()?.to_owned()]);
    }
    static TOLD: Once = Once::new();
    TOLD.call_once(|| tell("skipped: no server; build it (make build) and install node, or set CHORD_SERVER_COMMAND"));
    None
}

/// Past the capture of the test harness.
pub fn tell(line: &str) {
    stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A Chord server, a process of its own.
pub struct Server {
    pub address: String,
    process: Child,
}

impl Server {
    /// Returns when it serves. `None`: there is no server here. It never refuses a call because its event loop is late: tests
    /// share their machine with other tests.
    pub fn start(args: &[&str]) -> Option<Self> {
        let command = server_command()?;
        let mut process = Command::new(&command[0])
            .args(&command[1..])
            .args(["serve", "--log-level", "error", "--max-event-loop-delay", "off"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("serving on ")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        Some(Self { address: address.expect("the server did not start"), process })
    }

    /// Meanwhile the test's own tasks go on: the server waits for its connections to be closed.
    pub async fn terminate(mut self) {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        tokio::task::spawn_blocking(move || self.process.wait()).await.unwrap().unwrap();
    }

    pub fn kill(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client of a server in memory, which is shared by the tests that run at the same time; ids are the test's own.
pub struct Stage {
    pub client: Client,
    pub server: Arc<Server>,
    scope: String,
}

impl Stage {
    pub fn new() -> Option<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        static SCOPES: AtomicUsize = AtomicUsize::new(0);
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(Server::start(&["--listen", "127.0.0.1:0", "--backend", "memory"])?),
        };
        *shared = Arc::downgrade(&server);
        let client = Client::connect(&server.address).unwrap();
        Some(Self { client, server, scope: format!("rust/{}/", SCOPES.fetch_add(1, Ordering::Relaxed)) })
    }

    pub fn id(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }
}

pub fn document(value: Value) -> Document {
    match value {
        Value::Object(document) => document,
        other => panic!("{other} is no document"),
    }
}

/// The end of a test that would hang.
pub async fn patient<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("not in time")
}

/// Calls with a deadline that is twice as long each time, until what fails by its deadline has come so far that it fails with
/// something else. On a busy machine, a short time may be over before anything has happened.
pub async fn in_enough_time(mut call: impl AsyncFnMut(Duration) -> Error) -> Error {
    let mut deadline = Duration::from_millis(100);
    loop {
        let error = call(deadline).await;
        deadline *= 2;
        if error.reason() != &Reason::DeadlineExceeded || deadline > Duration::from_secs(60) {
            return error;
        }
    }
}

pub async fn next(events: &mut ResultStream<Event>) -> Event {
    patient(events.next()).await.expect("the watch has ended").unwrap()
}

pub async fn failure<T>(call: impl IntoFuture<Output = Result<T, Error>>, reason: Reason) -> Error {
    match call.await {
        Ok(_) => panic!("no error, but {reason} was to come"),
        Err(error) => {
            assert_eq!(error.reason(), &reason, "{error}");
            error
        }
    }
}

/// Long enough that a delta is smaller than the document.
pub const REST: &str = "long enough that a delta is smaller than the document, also when it is merged";
