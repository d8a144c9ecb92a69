//! TLS for receivers: a certificate that nobody has signed, made anew each time.
//! It never checks anybody else's. Neighbour: `raw_receiver` speaks over it.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use super::raw_receiver::Connection;

/// A key with its certificate.
#[derive(Clone)]
pub struct Identity {
    acceptor: TlsAcceptor,
    /// For a program that is to trust it (`SSL_CERT_FILE`).
    pub pem: String,
}

impl Identity {
    pub fn self_signed(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), pem: made.cert.pem() }
    }

    /// Answers these bytes to the first request; a client that breaks the handshake off gets nothing.
    pub async fn answer(&self, connection: Connection, bytes: &[u8]) {
        let handshake = connection.wrapped(async |stream: TcpStream| self.acceptor.accept(stream).await).await;
        let encrypted: Result<Connection<TlsStream<TcpStream>>, _> = handshake.transposed();
        match encrypted {
            Ok(connection) => connection.answer(bytes).await,
            Err(broken_off) => broken_off.end(),
        }
    }
}
