//! What somebody could try who does not mean well, through real sockets. Whatever it is, it ends, and the next client is served.

mod bodies;
mod caches;
mod crowds;
mod heads;
mod hosts;
mod paths;
mod readers;
mod wire;
