//! The token that is sent with each call.

use std::fmt;
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataValue};

use crate::error::Error;

#[derive(Clone)]
pub(crate) enum Authorization {
    Fixed(MetadataValue<Ascii>),
    Source(Arc<TokenSource>),
}

pub(crate) type TokenSource = dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

impl Authorization {
    pub(crate) fn fixed(token: &str) -> Result<Self, Error> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| Error::unsendable("token", "has characters that no header may have"))?;
        value.set_sensitive(true);
        Ok(Self::Fixed(value))
    }

    pub(crate) fn value(&self) -> Result<MetadataValue<Ascii>, Error> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Source(source) => {
                let token = source().map_err(|error| Error::unavailable(&format!("there is no token: {error}")))?;
                Self::fixed(&token)?.value()
            }
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization")
    }
}
