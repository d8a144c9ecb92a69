//! An HTTP/1.1 connection that costs next to nothing: bytes made before go out, a status comes back.
//! A client library would take as much of the machine as what is measured. It knows answers with Content-Length alone.

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// Sends a whole request, reads a whole answer, and tells its status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<String> {
        self.stream.get_mut().write_all(request).await?;
        let status = self.read_line().await?.split(' ').nth(1).context("a status line has a status")?.to_owned();
        let mut length = 0;
        while let line = self.read_line().await?
            && !line.is_empty()
        {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok(status)
    }

    /// Of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Without its end.
    async fn read_line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        self.stream.read_line(&mut self.line).await?;
        self.line.strip_suffix("\r\n").context("the connection ended within an answer")
    }
}
