//! A receiver below HTTP: it does with each connection what the test says, byte by byte, and notes what it got.
//! It never knows whether what it sends is HTTP. Neighbour: `receiver` is the well-behaved one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::waiting::until;

/// So little that what is sent was also read, but for some dozens of kilobytes.
const SEND_BUFFER: u32 = 4 << 10;

/// What became of one connection so far.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The bytes that came.
    pub received: Vec<u8>,
    /// How many bytes were sent.
    pub sent: usize,
    /// Whether the other side has closed it, or we have.
    pub is_over: bool,
}

/// One connection, for the behaviour that the test gives it.
pub struct Connection<S = TcpStream> {
    stream: S,
    number: usize,
    log: Arc<watch::Sender<Vec<Heard>>>,
}

/// It serves until it is dropped.
pub struct RawReceiver {
    address: SocketAddr,
    log: Arc<watch::Sender<Vec<Heard>>>,
    serving: JoinHandle<()>,
}

impl RawReceiver {
    /// On a free port of 127.0.0.1.
    pub async fn start<F>(behaviour: impl Fn(Connection) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behaviour).await
    }

    pub async fn start_at<F>(address: SocketAddr, behaviour: impl Fn(Connection) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        socket.set_send_buffer_size(SEND_BUFFER).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(watch::Sender::new(Vec::new()));
        let serving = tokio::spawn(serve(listener, Arc::clone(&log), behaviour));
        Self { address, log, serving }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All connections so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.log.borrow().clone()
    }

    /// Waits until so many connections are over, and returns all.
    pub async fn wait_for_over(&self, count: usize) -> Vec<Heard> {
        let what = format!("{count} connections to be over");
        until(&what, &self.log, |log| log.iter().filter(|heard| heard.is_over).count() >= count).await;
        self.heard()
    }
}

impl Drop for RawReceiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Heard {
    /// The lines of the request's head: the request line, then the headers.
    pub fn head(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.received);
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
        head.split("\r\n").map(str::to_owned).collect()
    }
}

impl Connection {
    /// Ends it with a reset instead of an orderly close.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
        self.end();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads until the end of the request's head; `false` when the other side is gone before it.
    pub async fn read_head(&mut self) -> bool {
        self.read_until(|received| received.windows(4).any(|end| end == b"\r\n\r\n")).await
    }

    /// Reads until what came fits; `false` when the other side is gone before it does.
    pub async fn read_until(&mut self, fits: impl Fn(&[u8]) -> bool) -> bool {
        let mut buffer = [0; 4_096];
        while !fits(&self.log.borrow()[self.number].received) {
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return false,
                Ok(length) => self.note(|heard| heard.received.extend_from_slice(&buffer[..length])),
            }
        }
        true
    }

    /// `false` when the other side takes no more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        if self.stream.write_all(bytes).await.is_err() || self.stream.flush().await.is_err() {
            return false;
        }
        self.note(|heard| heard.sent += bytes.len());
        true
    }

    /// The same bytes again and again, for as long as the other side takes them.
    pub async fn send_for_ever(&mut self, bytes: &[u8]) {
        while self.send(bytes).await {}
    }

    /// These bytes again and again, one now and then, for as long as the other side takes them.
    pub async fn drip_for_ever(&mut self, bytes: &[u8]) {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for byte in bytes.iter().cycle() {
            if !self.send(&[*byte]).await {
                return;
            }
            pace.tick().await;
        }
    }

    /// Neither sends nor closes until the other side does.
    pub async fn hold(&mut self) {
        self.read_until(|_| false).await;
    }

    /// A request's head read, these bytes sent, and the connection closed.
    pub async fn answer(mut self, bytes: &[u8]) {
        self.read_head().await;
        self.send(bytes).await;
        // Closed while bytes of the request are unread, it would be reset.
        drop(self.stream.shutdown().await);
        self.hold().await;
        self.end();
    }
}

impl<S, E> Connection<Result<S, E>> {
    /// What was put around its bytes, or the connection without it.
    pub fn transposed(self) -> Result<Connection<S>, Connection<E>> {
        let Self { stream, number, log } = self;
        match stream {
            Ok(stream) => Ok(Connection { stream, number, log }),
            Err(stream) => Err(Connection { stream, number, log }),
        }
    }
}

impl<S> Connection<S> {
    /// The same connection with something around its bytes, such as TLS.
    pub async fn wrapped<T>(self, wrap: impl AsyncFnOnce(S) -> T) -> Connection<T> {
        Connection { stream: wrap(self.stream).await, number: self.number, log: self.log }
    }

    /// Closes it.
    pub fn end(self) {
        let Self { stream, number, log } = self;
        drop(stream);
        log.send_modify(|log| log[number].is_over = true);
    }

    fn note(&self, change: impl FnOnce(&mut Heard)) {
        self.log.send_modify(|log| change(&mut log[self.number]));
    }
}

async fn serve<F>(
    listener: TcpListener,
    log: Arc<watch::Sender<Vec<Heard>>>,
    behaviour: impl Fn(Connection) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    // Owned here, so that the connections end with the receiver.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let number = log.borrow().len();
                log.send_modify(|log| log.push(Heard::default()));
                connections.spawn(behaviour(Connection { stream, number, log: Arc::clone(&log) }));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
