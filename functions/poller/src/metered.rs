//! A connection that gives no more than so many bytes of an answer, whatever they are: head, interim answers, chunk
//! sizes, body. HTTP libraries bound some of these, time bounds the others too late when a receiver is fast.
//! It never looks at the bytes. Neighbour: `client` puts it around each connection, inside of TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

/// What an answer may have in all: its head, what is read of its body, and what was read ahead.
const MOST: usize = 192 << 10;
/// Read at a time.
const PIECE: usize = 8 << 10;

/// Makes the connections of another connector metered ones.
#[derive(Clone, Debug)]
pub(crate) struct MeteredConnector<C>(pub(crate) C);

impl<C> Service<Uri> for MeteredConnector<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
{
    type Response = Metered<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move { Ok(Metered { stream: connecting.await?, come: 0 }) })
    }
}

#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    /// Bytes that came since something was last sent: an answer follows its request.
    come: usize,
}

impl<S: Read + Unpin> Read for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.come >= MOST {
            return Poll::Ready(Err(io::Error::other("the answer is too long")));
        }
        let mut piece = [0; PIECE];
        let room = into.remaining().min(PIECE);
        let mut read = ReadBuf::new(piece.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, read.unfilled()))?;
        self.come += read.filled().len();
        into.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.come = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.come = 0;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }
}

impl<S: Connection> Connection for Metered<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}
