//! The API over TLS, with real certificates and a real client.

use std::{path::Path, sync::Arc, time::Duration};

use api::ApiConfig;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::Api;

const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

type Pair = CertifiedKey<KeyPair>;

fn write(folder: &Path, pair: &Pair) {
    std::fs::write(folder.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
}

fn pair() -> Pair {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

async fn api(folder: &TempDir, config: ApiConfig) -> Api {
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let api = Api::start_unloaded(ApiConfig { tls_cert: Some(cert), tls_key: Some(key), ..config }).await;
    api.store.set_loaded();
    api
}

/// A connection of a client that believes `believed` alone and speaks these versions.
async fn connect(
    api: &Api,
    believed: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(api.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn answer(mut stream: TlsStream<TcpStream>) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// What an API over TLS answers to a client over TLS.
pub(crate) async fn one_answer() -> String {
    let (folder, pair) = (tempfile::tempdir().unwrap(), pair());
    write(folder.path(), &pair);
    let api = api(&folder, ApiConfig::default()).await;
    answer(connect(&api, pair.cert.der(), &[&TLS13]).await.unwrap()).await
}

#[tokio::test]
async fn answers_come_over_tls_and_say_to_stay_there() {
    let (folder, pair) = (tempfile::tempdir().unwrap(), pair());
    write(folder.path(), &pair);
    let api = api(&folder, ApiConfig::default()).await;
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = connect(&api, pair.cert.der(), &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = answer(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "{answer}");
    }
    // Somebody else's certificate is not believed, which shows that this client looks at all.
    assert!(connect(&api, self::pair().cert.der(), &[&TLS13]).await.is_err());
    // Nobody is answered in the clear.
    let mut plain = TcpStream::connect(api.address).await.unwrap();
    plain.write_all(REQUEST).await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_when_it_is_whole() {
    let (folder, first, second) = (tempfile::tempdir().unwrap(), pair(), pair());
    write(folder.path(), &first);
    let api = api(&folder, ApiConfig::default()).await;
    assert!(connect(&api, first.cert.der(), &[&TLS13]).await.is_ok());
    // Half a pair is none: the former certificate goes on.
    std::fs::write(folder.path().join("key.pem"), second.signing_key.serialize_pem()).unwrap();
    assert!(connect(&api, first.cert.der(), &[&TLS13]).await.is_ok());
    write(folder.path(), &second);
    let taken = async {
        while connect(&api, second.cert.der(), &[&TLS13]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, taken).await.expect("the new certificate is not taken");
    assert!(connect(&api, first.cert.der(), &[&TLS13]).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_goes_nowhere_is_cut_off() {
    let (folder, pair) = (tempfile::tempdir().unwrap(), pair());
    write(folder.path(), &pair);
    let api = api(&folder, ApiConfig { head_ms_max: 200, connections_max: 2, ..ApiConfig::default() }).await;
    let mut stuck = [
        TcpStream::connect(api.address).await.unwrap(),
        TcpStream::connect(api.address).await.unwrap(),
        TcpStream::connect(api.address).await.unwrap(),
    ];
    // The beginning of a handshake message, and no more.
    stuck[1].write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    stuck[2].write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let stream = connect(&api, pair.cert.der(), &[&TLS13]).await.unwrap();
    assert!(answer(stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    for stream in &mut stuck {
        let end = async { while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} };
        tokio::time::timeout(DEADLINE, end).await.expect("it is still shaking hands");
    }
}
