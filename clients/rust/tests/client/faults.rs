//! Peers that go wrong as told: a real server does so only by accident.

use std::collections::HashSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chordstate::proto::chord::v1::context_service_client::ContextServiceClient;
use chordstate::proto::chord::v1::context_service_server::{ContextService, ContextServiceServer};
use chordstate::proto::chord::v1::sync_service_server::{SyncService, SyncServiceServer};
use chordstate::proto::chord::v1::watch_contexts_response::Event as Message;
use chordstate::proto::chord::v1::{
    Change, ChangeAction, Closing, Context, Delta, Full, Position, SetContextRequest, SetContextResponse,
    WaitContextRequest, WaitContextResponse, WatchContextsRequest, WatchContextsResponse,
};
use chordstate::proto::google::rpc;
use chordstate::{Client, ClientBuilder, Event, Reason, Retry, Target, json};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use prost::{Message as _, Name};
use prost_types::Any;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Barrier;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Code, Request, Response, Status};

use crate::support::{failure, in_enough_time, next, patient};

mod edits;
mod hooks;

type Responses = BoxStream<'static, Result<WatchContextsResponse, Status>>;
type OnSet = dyn Fn(usize, &Request<SetContextRequest>) -> BoxFuture<'static, Result<(), Status>> + Send + Sync;
type OnWatch = dyn Fn(usize, WatchContextsRequest) -> Result<Responses, Status> + Send + Sync;

/// What each call does; the number counts the calls of that kind, from 1.
#[derive(Clone)]
struct Faulty {
    set: Arc<OnSet>,
    watch: Arc<OnWatch>,
    sets: Arc<AtomicUsize>,
    watches: Arc<AtomicUsize>,
    /// What the first waits fail with; further ones are answered.
    wait_failures: Vec<Code>,
    waits: Arc<AtomicUsize>,
}

impl Faulty {
    fn sets(
        set: impl Fn(usize, &Request<SetContextRequest>) -> BoxFuture<'static, Result<(), Status>> + Send + Sync + 'static,
    ) -> Self {
        let watch = Arc::new(|_, _| Err(Status::unimplemented("")));
        Self {
            set: Arc::new(set),
            watch,
            sets: Arc::default(),
            watches: Arc::default(),
            wait_failures: Vec::new(),
            waits: Arc::default(),
        }
    }

    fn watches(
        watch: impl Fn(usize, WatchContextsRequest) -> Result<Responses, Status> + Send + Sync + 'static,
    ) -> Self {
        Self { watch: Arc::new(watch), ..Self::sets(|_, _| Box::pin(async { Ok(()) })) }
    }

    async fn address(&self) -> String {
        self.served(Server::builder()).await
    }

    async fn served(&self, mut server: Server) -> String {
        let contexts = ContextServiceServer::new(self.clone());
        served(server.add_service(contexts).add_service(SyncServiceServer::new(self.clone()))).await
    }

    async fn serve(&self, server: Server) -> ClientBuilder {
        let address = self.served(server).await;
        let (backoff_min, backoff_max) = (Duration::from_millis(1), Duration::from_millis(5));
        // No try ends for lack of time, however slow the machine is: the tests count the tries.
        let attempt_timeout = Duration::from_secs(9);
        Client::builder(address).retry(Retry { backoff_min, backoff_max, attempt_timeout, ..Retry::default() })
    }

    async fn client(&self) -> Client {
        self.serve(Server::builder()).await.connect().unwrap()
    }
}

/// Answers the address.
async fn served(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

#[tonic::async_trait]
impl ContextService for Faulty {
    async fn set_context(&self, request: Request<SetContextRequest>) -> Result<Response<SetContextResponse>, Status> {
        (self.set)(self.sets.fetch_add(1, SeqCst) + 1, &request).await?;
        let position = Some(Position { version: 1, ..Default::default() });
        Ok(Response::new(SetContextResponse { position, changed: true, ..Default::default() }))
    }
}

#[tonic::async_trait]
impl SyncService for Faulty {
    async fn watch_contexts(&self, request: Request<WatchContextsRequest>) -> Result<Response<Responses>, Status> {
        (self.watch)(self.watches.fetch_add(1, SeqCst) + 1, request.into_inner()).map(Response::new)
    }

    async fn wait_context(&self, _: Request<WaitContextRequest>) -> Result<Response<WaitContextResponse>, Status> {
        match self.wait_failures.get(self.waits.fetch_add(1, SeqCst)) {
            Some(code) => Err(Status::new(*code, "not now")),
            None => Ok(Response::new(WaitContextResponse { held_at: 1, ..Default::default() })),
        }
    }
}

fn with_detail(code: Code, detail: &impl Name) -> Status {
    let details =
        vec![Any { type_url: format!("type.googleapis.com/{}", name_of(detail)), value: detail.encode_to_vec() }];
    let status = rpc::Status { code: code as i32, message: "said".into(), details };
    Status::with_details(code, "said", status.encode_to_vec().into())
}

fn name_of<M: Name>(_: &M) -> String {
    M::full_name()
}

#[tokio::test]
async fn a_write_is_tried_again_with_the_same_request_id() {
    let ids = Arc::new(Mutex::new(HashSet::new()));
    let seen = ids.clone();
    let peer = Faulty::sets(move |call, request| {
        seen.lock().unwrap().insert(request.get_ref().request_id.clone());
        Box::pin(async move {
            match call {
                1 => Err(Status::unavailable("away")),
                2 => pending().await, // this try's time will be over, the call's not
                3 => Err(Status::internal("the transport's word")),
                _ => Ok(()),
            }
        })
    });
    let (backoff_min, backoff_max) = (Duration::from_millis(1), Duration::from_millis(5));
    let retry = Retry { attempts: 40, attempt_timeout: Duration::from_millis(300), backoff_min, backoff_max };
    let client = peer.serve(Server::builder()).await.retry(retry).connect().unwrap();
    let written = client.set("a", json!({})).await.unwrap();
    assert_eq!(written.position.version, 1);
    assert_eq!(ids.lock().unwrap().len(), 1);
    assert!(peer.sets.load(SeqCst) >= 4); // a slow machine cuts off others, too
    assert_eq!(ids.lock().unwrap().iter().next().unwrap().len(), 36);
}

#[tokio::test]
async fn a_call_of_a_stub_is_tried_again_where_that_does_no_harm() {
    let faulty = Faulty::sets(|call, _| {
        Box::pin(async move { if call % 2 == 1 { Err(Status::unavailable("not now")) } else { Ok(()) } })
    });
    let client = faulty.client().await;
    let set = |channel, request| async move { ContextServiceClient::new(channel).set_context(request).await };
    let request = SetContextRequest::default();
    assert!(client.call_repeatable(request.clone(), set).await.unwrap().changed);
    assert_eq!(faulty.sets.load(SeqCst), 2);
    failure(client.call(request, set), Reason::Unavailable).await;
    assert_eq!(faulty.sets.load(SeqCst), 3);
}

#[tokio::test]
async fn final_errors_are_not_tried_again() {
    let info = rpc::ErrorInfo { domain: "chord".into(), reason: "INTERNAL".into(), ..Default::default() };
    let said = with_detail(Code::Internal, &info);
    for (status, reason) in [
        (Status::aborted("no"), Reason::Aborted),
        (said, Reason::Internal),
        (Status::unauthenticated("no"), Reason::Unauthenticated),
    ] {
        let peer = Faulty::sets(move |_, _| Box::pin(std::future::ready(Err(status.clone()))));
        failure(peer.client().await.set("a", json!({})), reason).await;
        assert_eq!(peer.sets.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn tries_end() {
    let away = Faulty::sets(|_, _| Box::pin(async { Err(Status::unavailable("away")) }));
    let retry = Retry { attempts: 3, backoff_min: Duration::from_millis(1), ..Retry::default() };
    let client = away.serve(Server::builder()).await.retry(retry).connect().unwrap();
    failure(client.set("a", json!({})), Reason::Unavailable).await;
    assert_eq!(away.sets.load(SeqCst), 3);

    let hour = prost_types::Duration { seconds: 3600, nanos: 0 };
    let later = with_detail(Code::Unavailable, &rpc::RetryInfo { retry_delay: Some(hour) });
    let later = Faulty::sets(move |_, _| Box::pin(std::future::ready(Err(later.clone()))));
    let error = failure(later.client().await.set("a", json!({})), Reason::Unavailable).await;
    assert_eq!((error.retry_after(), later.sets.load(SeqCst)), (Some(Duration::from_secs(3600)), 1));

    let slow = Faulty::sets(|_, _| Box::pin(pending()));
    let client = slow.serve(Server::builder()).await.deadline(Duration::from_millis(200)).connect().unwrap();
    failure(client.set("a", json!({})), Reason::DeadlineExceeded).await;
    assert!(slow.sets.load(SeqCst) <= 1); // 0: a slow machine has not sent it by then
}

/// Reports its own end.
struct Ending(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled() {
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let peer = Faulty::sets(move |_, _| {
        begun.send(()).unwrap();
        let ending = Ending(ended.clone());
        Box::pin(async move {
            let _ending = ending;
            pending().await
        })
    });
    let client = peer.client().await;
    let call = tokio::spawn(client.set("a", json!({})).into_future());
    patient(begins.recv()).await.unwrap();
    call.abort();
    patient(ends.recv()).await.unwrap();
    assert_eq!(peer.sets.load(SeqCst), 1);
}

fn at(version: u64) -> Option<Position> {
    Some(Position { epoch: "e".into(), version, digest: "d".into() })
}

fn sent(message: Message) -> Result<WatchContextsResponse, Status> {
    Ok(WatchContextsResponse { event: Some(message), more: false })
}

fn full(version: u64) -> Result<WatchContextsResponse, Status> {
    let context = Context { context_id: "a".into(), position: at(version), ..Default::default() };
    sent(Message::Full(Full { context: Some(context), reason: 1 }))
}

fn delta(from: u64, to: u64, changes: Vec<Change>) -> Result<WatchContextsResponse, Status> {
    sent(Message::Delta(Delta { context_id: "a".into(), from: at(from), to: at(to), changes, ..Default::default() }))
}

/// The given responses, and then silence.
fn open(responses: Vec<Result<WatchContextsResponse, Status>>) -> Result<Responses, Status> {
    Ok(stream::iter(responses).chain(stream::pending()).boxed())
}

fn known(request: &WatchContextsRequest) -> u64 {
    request.subscriptions[0].known.get("a").map_or(0, |position| position.version)
}

async fn next_version(events: &mut chordstate::ResultStream<Event>) -> u64 {
    match next(events).await {
        Event::Full { full, .. } => full.context.position.version,
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn a_watch_after_a_gap() {
    let peer = Faulty::watches(|call, request| match (call, known(&request)) {
        (1, 0) => open(vec![full(1), delta(2, 3, Vec::new())]), // version 2 was never sent
        (2, 0) => open(vec![full(3)]),
        _ => Err(Status::invalid_argument("knows too much")),
    });
    let mut events = peer.client().await.watch(["a"]).events();
    assert_eq!((next_version(&mut events).await, next_version(&mut events).await), (1, 3));
}

#[tokio::test]
async fn a_watch_after_an_end_without_error() {
    let peer = Faulty::watches(|call, request| match (call, known(&request)) {
        (1, 0) => Ok(stream::iter([full(1)]).boxed()),
        (2, 1) => Ok(stream::iter([full(2), Err(Status::unknown("broken"))]).boxed()),
        (3, 2) => open(vec![full(3)]),
        _ => Err(Status::invalid_argument("knows something else")),
    });
    let breaks = Arc::new(Mutex::new(Vec::new()));
    let seen = breaks.clone();
    let watch = peer.client().await.watch(["a"]);
    let mut events = watch.on_disconnect(move |error, _| seen.lock().unwrap().push(error.reason().clone())).events();
    for version in 1..=3 {
        assert_eq!(next_version(&mut events).await, version);
    }
    assert_eq!(*breaks.lock().unwrap(), [Reason::Unavailable, Reason::Unknown]);
}

#[tokio::test]
async fn a_watch_waits_as_closing_asks() {
    let asked = Duration::from_millis(120);
    let peer = Faulty::watches(move |call, _| match call {
        1 => {
            let closing = Closing { retry_after: Some(asked.try_into().unwrap()), ..Default::default() };
            Ok(stream::iter([sent(Message::Closing(closing)), Err(Status::unavailable("closing"))]).boxed())
        }
        _ => open(vec![full(1)]),
    });
    let waited = Arc::new(Mutex::new(Vec::new()));
    let seen = waited.clone();
    let watch = peer.client().await.watch(["a"]).on_disconnect(move |_, delay| seen.lock().unwrap().push(delay));
    assert_eq!(next_version(&mut watch.events()).await, 1);
    assert_eq!(*waited.lock().unwrap(), [asked]);
}

#[tokio::test]
async fn a_watch_gives_up_on_doubtful_errors_only() {
    for (code, tries) in [(Code::Internal, 6), (Code::PermissionDenied, 1)] {
        let peer = Faulty::watches(move |_, _| Err(Status::new(code, "broken")));
        let mut events = peer.client().await.watch(["a"]).events();
        failure(async { patient(events.next()).await.unwrap() }, code.into()).await;
        assert!(events.next().await.is_none());
        assert_eq!(peer.watches.load(SeqCst), tries);
    }
    let away =
        Faulty::watches(|call, _| if call < 30 { Err(Status::unavailable("away")) } else { open(vec![full(1)]) });
    assert_eq!(next_version(&mut away.client().await.watch(["a"]).events()).await, 1);
}

/// The delta follows the right position, but removes what is not there.
#[tokio::test]
async fn a_replica_heals_itself() {
    let misfit = Change { path: vec!["none".into()], action: ChangeAction::Removed as i32, ..Default::default() };
    let peer = Faulty::watches(move |call, request| match (call, known(&request)) {
        (1, 0) => open(vec![full(1), sent(Message::CaughtUp(Default::default())), delta(1, 2, vec![misfit.clone()])]),
        (2, 0) => open(vec![full(2)]),
        _ => Err(Status::invalid_argument("knows too much")),
    });
    let (sender, mut versions) = tokio::sync::mpsc::unbounded_channel();
    let replica = peer.client().await.replica([Target::id("a")]);
    let version = |change: &chordstate::ReplicaChange| change.position.as_ref().unwrap().version;
    let replica = replica
        .on_change(move |change| {
            _ = sender.send(version(change));
        })
        .start();
    assert_eq!(patient(versions.recv()).await, Some(1));
    assert_eq!(patient(versions.recv()).await, Some(2));
    assert!(!replica.is_live(), "it has not caught up again");
    replica.ready().await.unwrap();
}

/// A token may change, be missing for a while, and expire under a stream that is open.
#[tokio::test]
async fn a_token_source() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = tokens.clone();
    let mut peer = Faulty::watches(|call, _| match call {
        1 => Ok(stream::iter([full(1), Err(Status::unauthenticated("expired"))]).boxed()),
        _ => Err(Status::unauthenticated("expired")),
    });
    peer.set = Arc::new(move |_, request| {
        let token = request.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
        seen.lock().unwrap().push(token);
        Box::pin(async { Ok(()) })
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let source = move || match count.fetch_add(1, SeqCst) + 1 {
        2 => Err("asleep".into()),
        number => Ok(number.to_string()),
    };
    let client = peer.serve(Server::builder()).await.token_source(source).connect().unwrap();
    for _ in 0..2 {
        client.set("a", json!({})).await.unwrap();
    }
    assert_eq!(*tokens.lock().unwrap(), ["Bearer 1", "Bearer 3"]);
    let mut events = client.watch(["a"]).events();
    assert_eq!(next_version(&mut events).await, 1);
    let last = patient(events.next()).await.unwrap();
    failure(async { last }, Reason::Unauthenticated).await;
    // A watch asks the source once more before it gives up.
    assert_eq!((peer.watches.load(SeqCst), asked.load(SeqCst)), (3, 6));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_and_token() {
    use chordstate::Tls;
    use tonic::transport::{Certificate, Identity, ServerTlsConfig};

    let made = rcgen::generate_simple_self_signed(["chord.test".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let peer = Faulty::sets(|_, request| {
        let token = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        Box::pin(async move {
            assert_eq!(token.as_deref(), Some("Bearer secret"));
            Ok(())
        })
    });
    let config = ServerTlsConfig::new()
        .identity(Identity::from_pem(&certificate, &key))
        .client_ca_root(Certificate::from_pem(&certificate));
    let builder = peer.serve(Server::builder().tls_config(config).unwrap()).await.token("secret");
    let tls = Tls::ca(&certificate).server_name("chord.test");
    let client = builder.clone().tls(tls.clone().identity(&certificate, &key)).connect().unwrap();
    client.set("a", json!({})).await.unwrap();

    let once = builder.retry(Retry { attempts: 1, ..Retry::default() });
    for refused in [once.clone(), once.clone().tls(Tls::system().server_name("chord.test")), once.tls(tls)] {
        let error = refused.connect().unwrap().set("a", json!({})).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(peer.sets.load(SeqCst), 1);
}

fn more(message: Result<WatchContextsResponse, Status>) -> Result<WatchContextsResponse, Status> {
    Ok(WatchContextsResponse { more: true, ..message? })
}

fn full_of(id: &str, version: u64) -> Result<WatchContextsResponse, Status> {
    let context = Context { context_id: id.into(), position: at(version), ..Default::default() };
    sent(Message::Full(Full { context: Some(context), reason: 1 }))
}

fn delta_of(id: &str, to: u64, changes: Vec<Change>) -> Result<WatchContextsResponse, Status> {
    let (from, to) = (at(to - 1), at(to));
    sent(Message::Delta(Delta { context_id: id.into(), from, to, changes, ..Default::default() }))
}

fn caught_up() -> Result<WatchContextsResponse, Status> {
    sent(Message::CaughtUp(Default::default()))
}

fn known_of(request: &WatchContextsRequest, id: &str) -> u64 {
    request.subscriptions[0].known.get(id).map_or(0, |position| position.version)
}

/// The first connection breaks inside of a batch.
fn torn() -> Faulty {
    Faulty::watches(|call, request| match (call, known_of(&request, "a"), known_of(&request, "b")) {
        (1, 0, 0) => Ok(stream::iter([
            full_of("a", 1),
            full_of("b", 1),
            caught_up(),
            more(delta_of("a", 2, Vec::new())),
            Err(Status::unavailable("broken")),
        ])
        .boxed()),
        (2, 1, 1) => open(vec![caught_up(), more(delta_of("a", 2, Vec::new())), delta_of("b", 2, Vec::new())]),
        _ => Err(Status::invalid_argument("knows a part of a batch")),
    })
}

#[tokio::test]
async fn batches_arrive_whole() {
    let mut events = torn().client().await.watch([Target::prefix("")]).events();
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(match next(&mut events).await {
            Event::Delta { delta, more } => format!("{}{}{}", delta.id, delta.to.version, if more { "+" } else { "" }),
            Event::Full { full, .. } => full.context.id,
            Event::CaughtUp => "|".to_owned(),
            event => panic!("{event:?}"),
        });
    }
    assert_eq!(seen, ["a", "b", "|", "|", "a2+", "b2"]);
}

#[tokio::test]
async fn a_replica_applies_batches_whole() {
    let (sender, mut versions) = tokio::sync::mpsc::unbounded_channel();
    let shared: Arc<std::sync::OnceLock<std::sync::Weak<chordstate::Replica>>> = Arc::default();
    let copy = shared.clone();
    let builder = torn().client().await.replica([Target::prefix("")]).on_change(move |change| {
        let replica = copy.get().unwrap().upgrade().unwrap();
        let version = |id: &str| replica.position(id).map_or(0, |position| position.version);
        _ = sender.send((change.id.clone(), version("a"), version("b")));
    });
    let replica = Arc::new(builder.start());
    shared.set(Arc::downgrade(&replica)).unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(patient(versions.recv()).await.unwrap());
    }
    let calls: Vec<_> = seen.iter().map(|(id, a, b)| (&**id, *a, *b)).collect();
    assert_eq!(calls, [("a", 1, 0), ("b", 1, 1), ("a", 2, 2), ("b", 2, 2)]);
}

/// The second delta of a batch removes what is not there: the first one is taken back, and both documents come whole.
#[tokio::test]
async fn a_replica_applies_no_part_of_a_batch() {
    let added = Change {
        path: vec!["x".into()],
        action: ChangeAction::Added as i32,
        value: Some(prost_types::Value { kind: Some(prost_types::value::Kind::BoolValue(true)) }),
        ..Default::default()
    };
    let misfit = Change { path: vec!["none".into()], action: ChangeAction::Removed as i32, ..Default::default() };
    let peer = Faulty::watches(move |call, request| match (call, known_of(&request, "a"), known_of(&request, "b")) {
        (1, 0, 0) => open(vec![
            full_of("a", 1),
            full_of("b", 1),
            caught_up(),
            more(delta_of("a", 2, vec![added.clone()])),
            delta_of("b", 2, vec![misfit.clone()]),
        ]),
        (2, 0, 0) => open(vec![full_of("a", 3), full_of("b", 3)]),
        _ => Err(Status::invalid_argument("knows too much")),
    });
    let replica = peer.client().await.replica([Target::prefix("")]).start();
    let (mut before, three) = (Vec::new(), "3".parse().unwrap());
    let mut note = |documents: &chordstate::Documents| {
        before.push((documents.get("a").cloned(), documents.position("a").cloned()));
        documents.position("b").is_some_and(|at| at.reaches(&three))
    };
    patient(replica.wait_until(&mut note)).await.unwrap();
    let fits = |(document, position): &(Option<Arc<chordstate::Document>>, Option<chordstate::Position>)| {
        document.as_ref().is_none_or(|document| document.is_empty())
            && position.as_ref().is_none_or(|position| position.version != 2)
    };
    assert!(before.iter().all(fits), "{before:?}");
}

/// A word before each failure is no health.
#[tokio::test]
async fn a_watch_does_not_hammer_a_peer_that_says_one_word() {
    let peer = Faulty::watches(|call, _| Ok(stream::iter([full(call as u64), Err(Status::unavailable("no"))]).boxed()));
    let retry =
        Retry { backoff_min: Duration::from_millis(1), backoff_max: Duration::from_secs(10), ..Retry::default() };
    let (sender, mut delays) = tokio::sync::mpsc::unbounded_channel();
    let client = peer.serve(Server::builder()).await.retry(retry).connect().unwrap();
    let _replica = client
        .replica(["a"])
        .on_disconnect(move |_, delay| {
            _ = sender.send(delay);
        })
        .start();
    for n in 0..7 {
        let delay = patient(delays.recv()).await.unwrap();
        assert!(delay >= Duration::from_micros(500) * 2u32.pow(n), "{delay:?} after {n} failures");
    }
}

/// The server lets four streams a connection; the calls beside the watches must find room.
#[tokio::test]
async fn watches_leave_room_for_calls() {
    let peer = Faulty::watches(|_, _| open(vec![full(1)]));
    let builder = peer.serve(Server::builder().max_concurrent_streams(4)).await;
    let client = builder.watches_per_connection(3).connect().unwrap();
    let mut watches = Vec::new();
    for _ in 0..10 {
        let mut events = client.watch(["a"]).events();
        assert_eq!(next_version(&mut events).await, 1);
        watches.push(events);
    }
    client.set("a", json!({})).await.unwrap();
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (peak, three) = (most.clone(), Arc::new(Barrier::new(3)));
    let peer = Faulty::sets(move |number, _| {
        let (now, peak, three) = (now.clone(), peak.clone(), three.clone());
        Box::pin(async move {
            peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            if number <= 3 {
                three.wait().await;
            }
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, SeqCst);
            Ok(())
        })
    });
    let client = peer.serve(Server::builder()).await.calls_in_flight(3).connect().unwrap();
    let calls = (0..60).map(|_| client.set("a", json!({})).into_future());
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(most.load(SeqCst), 3);
}

#[tokio::test]
async fn the_first_cause_is_told() {
    let error = in_enough_time(async |deadline| {
        let peer = Faulty::sets(|call, _| {
            Box::pin(async move { if call == 1 { Err(Status::unavailable("away")) } else { pending().await } })
        });
        peer.client().await.with_deadline(deadline).set("a", json!({})).await.unwrap_err()
    });
    let error = error.await;
    assert_eq!((error.reason(), error.message()), (&Reason::Unavailable, "away"));

    let retry = Retry { attempts: 3, backoff_min: Duration::from_millis(1), ..Retry::default() };
    let client = Client::builder("127.0.0.1:1").retry(retry).connect().unwrap(); // no server listens there
    let error = failure(client.set("a", json!({})), Reason::Unavailable).await;
    assert!(error.message().contains("onnection refused"), "{error}");
}

/// What the backoff of a call says must not be the replica's: here it would wait for half an hour.
#[tokio::test]
async fn a_replica_wakes_with_the_calls() {
    // Bound, so that no other process takes it; but who connects is refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let hour = Duration::from_secs(3600);
    let retry = Retry { backoff_min: hour, backoff_max: hour, ..Retry::default() };
    let client = Client::builder(address.to_string()).retry(retry).connect().unwrap();
    let (sender, mut breaks) = tokio::sync::mpsc::unbounded_channel();
    let builder = client.replica(["a"]).on_disconnect(move |_, delay| {
        _ = sender.send(delay);
    });
    let replica = builder.start();
    assert!(patient(breaks.recv()).await.unwrap() >= hour / 2);

    let peer = Faulty::watches(|_, _| open(vec![full(1), caught_up()]));
    let listener = socket.listen(16).unwrap();
    let router = Server::builder().add_service(ContextServiceServer::new(peer.clone()));
    let router = router.add_service(SyncServiceServer::new(peer));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    client.set("a", json!({})).await.unwrap();
    patient(replica.ready()).await.unwrap();
}

#[tokio::test]
async fn each_write_that_is_sent_has_its_own_name() {
    let ids = Arc::new(Mutex::new(HashSet::new()));
    let seen = ids.clone();
    let peer = Faulty::sets(move |_, request| {
        seen.lock().unwrap().insert(request.get_ref().request_id.clone());
        Box::pin(async { Ok(()) })
    });
    let write = peer.client().await.set("a", json!({}));
    for _ in 0..3 {
        write.clone().await.unwrap();
    }
    write.clone().request_id("mine").await.unwrap();
    assert_eq!(ids.lock().unwrap().len(), 4);
}

/// Counts errors that are logged.
#[cfg(feature = "tracing")]
struct Log(Arc<AtomicUsize>);

#[cfg(feature = "tracing")]
impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("chordstate") && *metadata.level() == tracing::Level::ERROR
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, SeqCst);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn a_replica_that_ends_is_logged() {
    let logged = Arc::new(AtomicUsize::new(0));
    let _log = tracing::subscriber::set_default(Log(logged.clone()));
    let peer = Faulty::watches(|_, _| Err(Status::permission_denied("no")));
    let replica = peer.client().await.replica(["a"]).start();
    assert_eq!(patient(replica.ended()).await.reason(), &Reason::PermissionDenied);
    assert_eq!(logged.load(SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_is_closed_says_so() {
    let peer = Faulty { watch: Arc::new(|_, _| open(vec![full(1)])), ..Faulty::sets(|_, _| Box::pin(pending())) };
    let client = peer.client().await;
    let mut events = client.watch(["a"]).events();
    assert_eq!(next_version(&mut events).await, 1);
    let replica = client.replica(["a"]).start();
    let call = tokio::spawn(client.set("a", json!({})).into_future());
    while peer.sets.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    client.clone().close();
    client.close();
    let errors = [
        failure(async { patient(call).await.unwrap() }, Reason::Cancelled).await,
        failure(async { patient(events.next()).await.unwrap() }, Reason::Cancelled).await,
        failure(replica.ready(), Reason::Cancelled).await,
        patient(replica.ended()).await,
        failure(client.get("a"), Reason::Cancelled).await,
        failure(async { client.watch(["a"]).events().next().await.unwrap() }, Reason::Cancelled).await,
    ];
    for error in errors {
        assert_eq!(error.message(), "the client is closed");
    }
}

#[tokio::test]
async fn what_a_wait_tries_again() {
    let doubtful = |times| vec![Code::Internal; times];
    let all = [vec![Code::Unavailable, Code::Unauthenticated, Code::DeadlineExceeded], doubtful(5)].concat();
    for (wait_failures, renews, end) in [
        (all, true, (None, 9)),
        (doubtful(6), true, (Some(Reason::Internal), 6)),
        (vec![Code::Unauthenticated; 2], true, (Some(Reason::Unauthenticated), 2)),
        (vec![Code::Unauthenticated], false, (Some(Reason::Unauthenticated), 1)),
        (vec![Code::PermissionDenied], true, (Some(Reason::PermissionDenied), 1)),
    ] {
        let peer = Faulty { wait_failures, ..Faulty::sets(|_, _| Box::pin(async { Ok(()) })) };
        // However few attempts a call has. A try that lasts for the longest backoff would begin the count anew.
        let backoff_max = Duration::from_secs(3600);
        let once = Retry { attempts: 1, backoff_min: Duration::from_millis(1), backoff_max, ..Retry::default() };
        let builder = peer.serve(Server::builder()).await.retry(once);
        let builder = if renews { builder.token_source(|| Ok("good".into())) } else { builder.token("bad") };
        let failed = patient(builder.connect().unwrap().wait("a", []).into_future()).await.err();
        assert_eq!((failed.map(|error| error.reason().clone()), peer.waits.load(SeqCst)), end);
    }
}
