//! What a program adds to the client.

#[cfg(feature = "tracing")]
use futures_util::future::FutureExt;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::service::InterceptorLayer;
use tower::ServiceBuilder;

use super::*;

/// A peer that notes a header of each write.
fn noting(header: &'static str) -> (Faulty, Arc<Mutex<Vec<String>>>) {
    let noted: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = noted.clone();
    let peer = Faulty::sets(move |_, request| {
        let value = request.metadata().get(header).map_or("", |value| value.to_str().unwrap());
        notes.lock().unwrap().push(value.to_owned());
        Box::pin(async { Ok(()) })
    });
    (peer, noted)
}

#[tokio::test]
async fn headers_of_the_client_and_of_some_calls() {
    let (peer, tenants) = noting("x-tenant");
    let client = peer.serve(Server::builder()).await.metadata("X-Tenant", "a").token("t").connect().unwrap();
    client.set("a", json!({})).await.unwrap();
    client.with_metadata("x-tenant", "b").unwrap().set("a", json!({})).await.unwrap();
    assert_eq!(*tenants.lock().unwrap(), ["a", "a"]);
    let error = client.with_metadata("no name", "").unwrap_err();
    assert_eq!(error.violations()[0].field, "metadata");

    let (peer, agents) = noting("user-agent");
    let client = peer.serve(Server::builder()).await.user_agent("shop/1.2").connect().unwrap();
    client.set("a", json!({})).await.unwrap();
    let agent = agents.lock().unwrap()[0].clone();
    assert!(agent.starts_with(concat!("shop/1.2 chordstate-rust/", env!("CARGO_PKG_VERSION"), " tonic/")), "{agent}");

    let (peer, agents) = noting("user-agent");
    let own = peer.serve(Server::builder()).await.configure_endpoint(|endpoint| endpoint.user_agent("own").unwrap());
    own.connect().unwrap().set("a", json!({})).await.unwrap();
    assert!(agents.lock().unwrap()[0].starts_with("own tonic/"));
}

/// As that of OpenTelemetry: a header that continues the caller's trace, of each try of a call and each connection of a watch.
#[tokio::test]
async fn a_layer_sees_each_try() {
    let paths: Arc<Mutex<Vec<String>>> = Arc::default();
    let traces: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = traces.clone();
    let peer = Faulty {
        watch: Arc::new(|_, _| Err(Status::permission_denied("no"))),
        ..Faulty::sets(move |number, request| {
            noted.lock().unwrap().push(request.metadata().get("traceparent").unwrap().to_str().unwrap().to_owned());
            Box::pin(async move { if number == 1 { Err(Status::unavailable("not yet")) } else { Ok(()) } })
        })
    };
    let seen = paths.clone();
    let layer = ServiceBuilder::new()
        .map_request(move |request: http::Request<Body>| {
            seen.lock().unwrap().push(request.uri().path().rsplit('/').next().unwrap().to_owned());
            request
        })
        .layer(InterceptorLayer::new(|mut request: Request<()>| {
            request.metadata_mut().insert("traceparent", "00-1".parse().unwrap());
            Ok(request)
        }));
    let client = peer.serve(Server::builder()).await.layer(layer).connect().unwrap();
    client.set("a", json!({})).await.unwrap();
    failure(async { client.watch(["a"]).events().next().await.unwrap() }, Reason::PermissionDenied).await;
    assert_eq!(*paths.lock().unwrap(), ["SetContext", "SetContext", "WatchContexts"]);
    assert_eq!(*traces.lock().unwrap(), ["00-1", "00-1"]);
}

#[tokio::test]
async fn endpoints_take_turns() {
    let peers = [noting("x").0, noting("x").0];
    let (first, second) = (peers[0].address().await, peers[1].address().await);
    let away = "127.0.0.1:1".to_owned(); // no server listens there
    let client = Client::builder(first).endpoints([second, away]).connect().unwrap();
    for _ in 0..10 {
        client.set("a", json!({})).await.unwrap();
    }
    let sets = peers.map(|peer| peer.sets.load(SeqCst));
    assert!(sets.iter().all(|sets| *sets >= 3) && sets.iter().sum::<usize>() == 10, "{sets:?}");
    let error = Client::builder("127.0.0.1:1").endpoints(["no port"]).connect().unwrap_err();
    assert_eq!(error.violations()[0].field, "address");
}

/// Notes the names of spans.
#[cfg(feature = "tracing")]
struct Spans(Arc<Mutex<Vec<&'static str>>>);

#[cfg(feature = "tracing")]
impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("chordstate")
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.0.lock().unwrap().push(span.metadata().name());
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn each_try_has_a_span() {
    let spans: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let _spans = tracing::subscriber::set_default(Spans(spans.clone()));
    let (peer, _) = noting("x");
    peer.client().await.set("a", json!({})).await.unwrap();
    assert_eq!(*spans.lock().unwrap(), ["chord.call"]);
}

/// Asks the replica at each line of an error whether it has ended.
#[cfg(feature = "tracing")]
#[derive(Default, Clone)]
struct Ends(Arc<Mutex<Option<chordstate::Replica>>>, Arc<Mutex<Vec<bool>>>);

#[cfg(feature = "tracing")]
impl tracing::Subscriber for Ends {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("chordstate") && metadata.level() == &tracing::Level::ERROR
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        let replica = self.0.lock().unwrap();
        self.1.lock().unwrap().push(replica.as_ref().unwrap().ready().now_or_never().is_some());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn the_end_of_a_replica_is_logged_before_it_can_be_seen() {
    let ends = Ends::default();
    let _ends = tracing::subscriber::set_default(ends.clone());
    let peer = Faulty { watch: Arc::new(|_, _| Err(Status::permission_denied("no"))), ..noting("x").0 };
    // The tasks of this test run on one thread: the replica begins with the first wait.
    let replica = peer.client().await.replica(["a"]).start();
    *ends.0.lock().unwrap() = Some(replica);
    patient(async {
        while ends.1.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let replica = ends.0.lock().unwrap().take().unwrap();
    failure(replica.ready(), Reason::PermissionDenied).await;
    assert_eq!(*ends.1.lock().unwrap(), [false]);
}
