//! Messages and stubs, as generated from the `.proto` files: for what the hand-written layer does not cover.

#![allow(missing_docs, clippy::all)]

/// Chord's own.
pub mod chord {
    /// `chord.v1`.
    pub mod v1 {
        include!("gen/chord.v1.rs");
    }
}

/// What errors carry.
pub mod google {
    /// `google.rpc`.
    pub mod rpc {
        include!("gen/google.rpc.rs");
    }
}
