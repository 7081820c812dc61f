//! Does Kafka serve? Not the same as: does something accept connections. The broker listens before it has joined its
//! cluster; it names itself in the metadata once it has.

use std::net::Ipv4Addr;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Metadata, version 1, correlation id 1, no client id, no topics; preceded by its length.
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0];
/// One broker and no topics take far less.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// Asks the broker on `port` for its cluster's metadata.
///
/// # Errors
/// When it does not answer, or does not yet count itself among the brokers.
pub(crate) async fn probe(port: u16) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("cannot connect")?;
    stream.write_all(&REQUEST).await.context("cannot ask for metadata")?;
    let length = usize::try_from(stream.read_i32().await.context("no answer")?).context("not an answer of Kafka")?;
    ensure!(length <= RESPONSE_BYTES_MAX, "an answer of {length} bytes");
    let mut response = vec![0; length];
    stream.read_exact(&mut response).await.context("an answer cut short")?;
    ensure!(first_broker_port(&response) == Some(i32::from(port)), "the broker has not joined its cluster yet");
    Ok(())
}

/// The port of the first broker listed after the correlation id: array length, node id, host, port.
fn first_broker_port(response: &[u8]) -> Option<i32> {
    let brokers = int(response, 4)?;
    let host_length = usize::from(u16::from_be_bytes(response.get(12..14)?.try_into().ok()?));
    if brokers > 0 { int(response, 14 + host_length) } else { None }
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::first_broker_port;

    #[test]
    fn the_first_brokers_port_is_read() {
        let response =
            [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 9][..], b"127.0.0.1", &[0, 0, 0x23, 0x84, 0xff, 0xff]].concat();
        assert_eq!(first_broker_port(&response), Some(9092));
    }

    #[test]
    fn no_broker_and_no_sense_are_no_port() {
        assert_eq!(first_broker_port(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(first_broker_port(b"HTTP/1.1 400"), None);
        assert_eq!(first_broker_port(&[]), None);
    }
}
