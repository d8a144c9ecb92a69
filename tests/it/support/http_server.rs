//! A small HTTP/1.1 server on loopback whose handler may also cut the connection instead of answering.
//! It never decides what to answer. Neighbours: `receiver` and `chaos_proxy` are its two handlers.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What a handler returns to close the connection at this point, without a (further) byte.
#[derive(Clone, Copy, Debug)]
pub struct Cut;

pub type Body = BoxBody<Bytes, Cut>;

/// Serves until it is dropped; then its connections close too.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl HttpServer {
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, serving: tokio::spawn(serve(listener, handler)) }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

pub fn streamed(chunks: impl Stream<Item = Result<Bytes, Cut>> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(chunks.map_ok(Frame::data)))
}

/// Instead of this body the beginning of one, and then nothing: the connection is cut.
pub fn cut_in_the_middle(_: Body) -> Body {
    let beginning = stream::once(async { Ok(Bytes::from_static(b"{")) });
    streamed(beginning.chain(stream::once(async {
        // While nothing is ready the server sends what it has.
        tokio::task::yield_now().await;
        Err(Cut)
    })))
}

async fn serve<H, F>(listener: TcpListener, handler: H)
where
    H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
{
    // Owned here, so that the connections end with the server.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let handler = handler.clone();
                let service = service_fn(move |request| answer(handler.clone(), request));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// An error of the service makes hyper close the connection without an answer.
async fn answer<H, F>(handler: H, request: Request<Incoming>) -> Result<Response<Body>, Cut>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Result<Response<Body>, Cut>>,
{
    let (head, incoming) = request.into_parts();
    let bytes = incoming.collect().await.map_err(|_| Cut)?.to_bytes();
    handler(Request::from_parts(head, bytes)).await
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the test wants this connection cut here")
    }
}

impl std::error::Error for Cut {}
