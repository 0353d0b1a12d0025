//! The connection.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tonic::codegen::http::uri::Authority;
use tonic::transport::Endpoint;

use crate::error::Error;
use crate::transport::{Around, Channel};

/// What a stream receives before its reader takes it. A slow reader would find there what the server could have merged.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// The most that HTTP/2 allows: streams whose readers stall must not stop the others of their connection.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// Connections to one server, or to several that are one service, each made when it is first needed, and again whenever it broke.
///
/// A server bounds the streams of a connection, and lets calls above the bound wait without a word. So the first
/// connection carries all calls and as many watches as there may be on one; further watches get further connections,
/// which close with the last of their watches.
#[derive(Debug)]
pub(crate) struct Channels {
    way: Way,
    watches_max: usize,
    /// Each watch on it holds a reference.
    first: Arc<Channel>,
    further: Mutex<Vec<Weak<Channel>>>,
}

impl Channels {
    pub(crate) fn new(way: Way, watches_max: usize) -> Self {
        let first = Arc::new(way.connect_lazy());
        Self { way, watches_max: watches_max.max(1), first, further: Mutex::default() }
    }

    pub(crate) fn for_calls(&self) -> Channel {
        (*self.first).clone()
    }

    /// For one watch, as long as it holds this.
    pub(crate) fn for_watch(&self) -> Arc<Channel> {
        let mut further = self.further.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&self.first) <= self.watches_max {
            return self.first.clone();
        }
        further.retain(|channel| channel.strong_count() > 0);
        let with_room = further.iter().filter(|channel| channel.strong_count() < self.watches_max);
        with_room.filter_map(Weak::upgrade).next().unwrap_or_else(|| {
            let channel = Arc::new(self.way.connect_lazy());
            further.push(Arc::downgrade(&channel));
            channel
        })
    }
}

/// How a connection is made.
#[derive(Debug)]
pub(crate) struct Way {
    /// One or more.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) around: Around,
}

impl Way {
    fn connect_lazy(&self) -> Channel {
        let mut all: Vec<Channel> =
            self.endpoints.iter().map(|endpoint| self.around.channel(endpoint.connect_lazy())).collect();
        if all.len() == 1 { all.remove(0) } else { Channel::several(all) }
    }
}

pub(crate) fn endpoint(address: &str, connect_timeout: Duration, tls: Option<&TlsOption>) -> Result<Endpoint, Error> {
    let authority: Option<Authority> = address.parse().ok();
    if authority.and_then(|authority| authority.port_u16()).is_none() || address.contains('@') {
        return Err(Error::unsendable("address", "must be HOST:PORT"));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .map_err(|error| Error::unsendable("address", error.to_string()))?
        .connect_timeout(connect_timeout)
        // A dead server must not look like a quiet one.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    secured(endpoint, tls)
}

#[cfg(not(feature = "tls"))]
pub(crate) type TlsOption = std::convert::Infallible;

#[cfg(not(feature = "tls"))]
fn secured(endpoint: Endpoint, _: Option<&TlsOption>) -> Result<Endpoint, Error> {
    Ok(endpoint)
}

#[cfg(feature = "tls")]
pub use secure::Tls;
#[cfg(feature = "tls")]
pub(crate) use secure::{Tls as TlsOption, secured};

#[cfg(feature = "tls")]
mod secure {
    use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

    use crate::error::Error;

    /// How to encrypt the connection. Everything is PEM.
    #[derive(Debug, Clone)]
    pub struct Tls(ClientTlsConfig);

    impl Tls {
        /// Trusts the roots of the system.
        pub fn system() -> Self {
            Self(ClientTlsConfig::new().with_native_roots())
        }

        /// Trusts these certificates alone.
        pub fn ca(pem: impl AsRef<[u8]>) -> Self {
            Self(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
        }

        /// Shows the server a certificate of the client's own.
        pub fn identity(self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
            Self(self.0.identity(Identity::from_pem(certificate, key)))
        }

        /// The name that the server's certificate must have, where it is not the address's host.
        pub fn server_name(self, name: impl Into<String>) -> Self {
            Self(self.0.domain_name(name))
        }
    }

    pub(crate) fn secured(endpoint: Endpoint, tls: Option<&Tls>) -> Result<Endpoint, Error> {
        match tls {
            None => Ok(endpoint),
            Some(tls) => {
                endpoint.tls_config(tls.0.clone()).map_err(|error| Error::unsendable("tls", error.to_string()))
            }
        }
    }
}
