//! The API over real HTTP.

mod access;
mod attacks;
mod breaking;
mod edge;
mod errors;
mod follower;
mod oidc;
mod openapi;
mod operations;
mod rankings;
mod stream;
mod support;
mod teams;
mod telemetry;
mod tls;
