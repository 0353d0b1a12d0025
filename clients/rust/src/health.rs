//! Whether the server takes calls.

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::client::Client;
use crate::error::Error;

/// The status of a service, by `grpc.health.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// One that this client does not know.
    Unknown,
    /// It takes calls.
    Serving,
    /// It starts, stops, or cannot reach its store.
    NotServing,
}

impl HealthStatus {
    /// The name in the `.proto`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
        }
    }
}

impl Client {
    /// The status of the server as a whole. It needs no token.
    pub async fn health(&self) -> Result<HealthStatus, Error> {
        self.health_of("").await
    }

    /// The status of one service: `chord.v1.SyncService`. NOT_FOUND where the server does not have it.
    pub async fn health_of(&self, service: impl Into<String>) -> Result<HealthStatus, Error> {
        // The request is one string, the answer one enum, each of number 1: on the wire those of protobuf's wrappers.
        let answer = self.0.call(service.into(), |channel, request| async move {
            let mut stub = Grpc::new(channel);
            stub.ready().await.map_err(tonic::Status::from_error)?;
            let codec = ProstCodec::<String, i32>::default();
            stub.unary(request, PathAndQuery::from_static("/grpc.health.v1.Health/Check"), codec).await
        });
        Ok(match answer.await? {
            1 => HealthStatus::Serving,
            2 => HealthStatus::NotServing,
            _ => HealthStatus::Unknown,
        })
    }
}
