//! Edits that the deadline cuts off.

use std::sync::atomic::AtomicBool;

use chordstate::proto::chord::v1::{
    GetContextRequest, GetContextResponse, UpdateContextRequest, UpdateContextResponse,
};

use super::*;

/// A peer that answers the first read, or all, and the first update, with ABORTED; and then falls silent.
#[derive(Clone, Default)]
struct Falling {
    answers_reads: bool,
    reads: Arc<AtomicUsize>,
    updates: Arc<AtomicUsize>,
    silent: Arc<AtomicBool>,
}

impl Falling {
    async fn silence(&self) -> ! {
        self.silent.store(true, SeqCst);
        pending().await
    }
}

#[tonic::async_trait]
impl ContextService for Falling {
    async fn get_context(&self, _: Request<GetContextRequest>) -> Result<Response<GetContextResponse>, Status> {
        if self.reads.fetch_add(1, SeqCst) > 0 && !self.answers_reads {
            self.silence().await;
        }
        let context = Context { context_id: "a".into(), position: at(1), ..Default::default() };
        Ok(Response::new(GetContextResponse { context: Some(context), ..Default::default() }))
    }

    async fn update_context(
        &self,
        _: Request<UpdateContextRequest>,
    ) -> Result<Response<UpdateContextResponse>, Status> {
        if self.updates.fetch_add(1, SeqCst) > 0 {
            self.silence().await;
        }
        Err(Status::aborted("others have written"))
    }
}

/// A write that the deadline cuts off may have happened. Before it, nothing has, and the conflict is the error.
#[tokio::test]
async fn the_deadline_of_an_edit_after_a_conflict() {
    for (answers_reads, reason) in [(false, Reason::Aborted), (true, Reason::DeadlineExceeded)] {
        let mut deadline = Duration::from_millis(100);
        // Until it comes after the second attempt has begun the call, also on a slow machine.
        loop {
            let peer = Falling { answers_reads, ..Default::default() };
            let hour = Duration::from_secs(3600);
            let retry = Retry { attempt_timeout: hour, backoff_min: Duration::from_millis(1), ..Retry::default() };
            let address = served(Server::builder().add_service(ContextServiceServer::new(peer.clone()))).await;
            let client = Client::builder(address).retry(retry).connect().unwrap();
            let edit = client.edit("a", |document| _ = document.insert("n".into(), json!(1)));
            let error = edit.deadline(deadline).await.unwrap_err();
            if peer.silent.load(SeqCst) {
                assert_eq!(error.reason(), &reason, "{error}");
                break;
            }
            deadline *= 2;
            assert!(deadline < Duration::from_secs(60), "not in time");
        }
    }
}
