//! What can go wrong, decoded from gRPC's status and its details.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use prost::{Message, Name};
use prost_types::Any;
use tonic::{Code, Status};

use crate::conditions::Unmet;
use crate::model::Position;
use crate::proto::chord::v1::{PositionMismatch, UnmetConditions};
use crate::proto::google::rpc::{BadRequest, ErrorInfo, RetryInfo, Status as Details};
use crate::time::from_duration;

/// What all calls fail with.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {}", .0.reason, .0.message)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    reason: Reason,
    message: String,
    code: Code,
    context_id: Option<String>,
    mismatch: Option<Mismatch>,
    unmet: Option<Unmet>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    transient: bool,
    /// The connection failed, and not the server.
    of_transport: bool,
}

/// Says where a context stands that a write expected elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// `None`: the context does not exist.
    pub current: Option<Position>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, as in the `.proto`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal)*) => {
        /// What went wrong: the server's word, or else the name of gRPC's code.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
            /// One that this client does not know.
            Other(String),
        }

        impl Reason {
            /// As the server writes it: `NOT_FOUND`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<String> for Reason {
            fn from(name: String) -> Self {
                match name.as_str() {
                    $($name => Self::$variant,)*
                    _ => Self::Other(name),
                }
            }
        }

        impl From<Code> for Reason {
            fn from(code: Code) -> Self {
                match code {
                    $(Code::$variant => Self::$variant,)*
                }
            }
        }
    };
}

reasons! {
    /// Not an error, but one of gRPC's codes.
    Ok "OK"
    /// The client ended it: a replica was closed.
    Cancelled "CANCELLED"
    /// Not said.
    Unknown "UNKNOWN"
    /// See the violations.
    InvalidArgument "INVALID_ARGUMENT"
    /// Out of time, with all tries.
    DeadlineExceeded "DEADLINE_EXCEEDED"
    /// The context does not exist.
    NotFound "NOT_FOUND"
    /// What was to be made exists.
    AlreadyExists "ALREADY_EXISTS"
    /// The rules of the server do not give it to this caller.
    PermissionDenied "PERMISSION_DENIED"
    /// Over size, or over a quota.
    ResourceExhausted "RESOURCE_EXHAUSTED"
    /// The state of the context or of the server does not allow it.
    FailedPrecondition "FAILED_PRECONDITION"
    /// A condition of the write does not hold: see [`Error::mismatch`] and [`Error::unmet`].
    Aborted "ABORTED"
    /// Beyond what there is.
    OutOfRange "OUT_OF_RANGE"
    /// A call that the server does not have.
    Unimplemented "UNIMPLEMENTED"
    /// A defect of the server, or a broken connection.
    Internal "INTERNAL"
    /// The server, or its store, is away.
    Unavailable "UNAVAILABLE"
    /// Stored data cannot be read.
    DataLoss "DATA_LOSS"
    /// The token is missing, wrong, or has expired.
    Unauthenticated "UNAUTHENTICATED"
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// What went wrong: the server's word, or else the name of gRPC's code.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The server's words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// gRPC's.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The context that the error names.
    pub fn context_id(&self) -> Option<&str> {
        self.0.context_id.as_deref()
    }

    /// Where a write expected the context elsewhere.
    pub fn mismatch(&self) -> Option<&Mismatch> {
        self.0.mismatch.as_ref()
    }

    /// Which conditions of a write do not hold: of `if_unchanged` and `if_checks`.
    pub fn unmet(&self) -> Option<&Unmet> {
        self.0.unmet.as_ref()
    }

    /// Where the context of a mismatch, or of unmet conditions, stands, if it exists.
    pub fn current(&self) -> Option<&Position> {
        let mismatch = self.mismatch().and_then(|mismatch| mismatch.current.as_ref());
        mismatch.or(self.unmet().and_then(|unmet| unmet.current.as_ref()))
    }

    /// What is wrong with which field of the request.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// How long the server asks to wait before another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Another try may succeed: the client has made some, and a watch goes on after it.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Whether it may be tried again for ever: the server is away or busy, or the connection died, perhaps by what another
    /// of its streams did. Other transient errors may be there to stay.
    pub(crate) fn is_outage(&self) -> bool {
        match self.code() {
            Code::Unavailable | Code::ResourceExhausted => self.is_transient(),
            Code::Internal => self.0.of_transport,
            _ => false,
        }
    }

    fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            reason: code.into(),
            message: message.into(),
            code,
            context_id: None,
            mismatch: None,
            unmet: None,
            violations: Vec::new(),
            retry_after: None,
            transient: is_transient(code, false),
            of_transport: false,
        }))
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        Self::new(Code::Unavailable, message)
    }

    pub(crate) fn deadline_exceeded(message: &str) -> Self {
        Self::new(Code::DeadlineExceeded, message)
    }

    /// By the client itself, for good.
    pub(crate) fn closed(message: &str) -> Self {
        let mut error = Self::new(Code::Cancelled, message);
        error.0.transient = false;
        error
    }

    pub(crate) fn callback_panicked(message: &str) -> Self {
        let mut error = Self::new(Code::Internal, format!("a callback panicked: {message}"));
        error.0.transient = false;
        error
    }

    /// The caller's mistake, and worth no try.
    pub(crate) fn unsendable(field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        let mut error = Self::new(Code::InvalidArgument, format!("{field}: {description}"));
        error.0.violations.push(Violation { field, description });
        error
    }

    fn read(&mut self, detail: &Any) {
        let inner = &mut *self.0;
        if let Some(info) = decode::<ErrorInfo>(detail).filter(|info| info.domain == "chord") {
            inner.transient = is_transient(inner.code, true);
            inner.reason = info.reason.into();
            inner.context_id = info.metadata.get("context_id").cloned().or(inner.context_id.take());
        } else if let Some(mismatch) = decode::<PositionMismatch>(detail) {
            inner.context_id.get_or_insert(mismatch.context_id);
            inner.mismatch = Some(Mismatch { current: mismatch.current.map(Position::from) });
        } else if let Some(unmet) = decode::<UnmetConditions>(detail) {
            inner.context_id.get_or_insert_with(|| unmet.context_id.clone());
            inner.unmet = Some(unmet.into());
        } else if let Some(request) = decode::<BadRequest>(detail) {
            inner.violations = request.field_violations.into_iter().map(Violation::from).collect();
        } else if let Some(retry) = decode::<RetryInfo>(detail) {
            inner.retry_after = from_duration(retry.retry_delay);
        }
    }
}

/// Details that cannot be decoded count as absent: code and message still tell enough.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let mut error = Self::new(status.code(), with_causes(&status));
        for detail in Details::decode(status.details()).unwrap_or_default().details {
            error.read(&detail);
        }
        // Refused for now: it has not happened. Of the transport: HTTP/2 has closed the connection, ENHANCE_YOUR_CALM.
        error.0.of_transport = is_of_transport(&status);
        let for_now = error.0.retry_after.is_some() || error.0.of_transport;
        error.0.transient |= error.0.code == Code::ResourceExhausted && for_now;
        error
    }
}

/// Whether the connection failed, and not the server.
pub(crate) fn is_of_transport(status: &Status) -> bool {
    status.source().is_some()
}

/// "tcp connect error" alone does not tell why.
fn with_causes(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = if message.is_empty() { text } else { format!("{message}: {text}") };
        }
        cause = error.source();
    }
    message
}

impl From<crate::proto::google::rpc::bad_request::FieldViolation> for Violation {
    fn from(message: crate::proto::google::rpc::bad_request::FieldViolation) -> Self {
        Self { field: message.field, description: message.description }
    }
}

/// `None`: it is of another type, or broken.
fn decode<M: Message + Name + Default>(detail: &Any) -> Option<M> {
    let name = detail.type_url.rsplit('/').next()?;
    if name == M::full_name() { M::decode(detail.value.as_slice()).ok() } else { None }
}

/// Transports report broken connections with more codes than UNAVAILABLE. From the server they are final.
fn is_transient(code: Code, said_by_server: bool) -> bool {
    match code {
        Code::Unavailable => true,
        Code::Internal | Code::Unknown | Code::Cancelled => !said_by_server,
        _ => false,
    }
}
