//! Who asks, and what they may read.
//!
//! Every path that is not open to all is behind [`authenticate::reader`], which finds the request's [`Principal`] and turns away
//! whoever asks for a team that they may not read, before a handler sees the request. Handlers ask the principal for the rest.

pub(crate) mod authenticate;
pub mod oidc;
pub mod principal;
pub mod scope;

pub use oidc::OidcConfig;
pub use principal::Principal;
pub use scope::Scope;
