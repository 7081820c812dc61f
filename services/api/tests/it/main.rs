//! The API over real HTTP.

mod access;
mod attacks;
mod breaking;
mod cursors;
mod edge;
mod errors;
mod etags;
mod follower;
mod formats;
mod oidc;
mod openapi;
mod operations;
mod rankings;
mod stream;
mod support;
mod teams;
mod telemetry;
mod tls;
