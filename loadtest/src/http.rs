//! One keep-alive HTTP/1.1 connection to the API, with its token.
//!
//! Plain hyper on a socket with `TCP_NODELAY`: each caller is one connection, and nothing is
//! pooled, retried or redirected behind its back. Every call has an end in time.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpStream, time::timeout};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// How much of a refusal is told.
const TOLD_MAX_CHARS: usize = 300;

/// One connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    bearer: Option<String>,
}

impl Connection {
    /// Connects to `authority` (`127.0.0.1:8080`); calls carry the token, if there is one.
    pub async fn open(authority: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let connecting = TcpStream::connect(authority);
        let stream = timeout(CALL_TIMEOUT, connecting)
            .await
            .context("no connection in time")?
            .with_context(|| format!("cannot reach http://{authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; its faults come back from the calls.
        tokio::spawn(connection);
        let bearer = token.map(|token| format!("Bearer {token}"));
        Ok(Self { sender, authority: authority.to_owned(), bearer })
    }

    /// One call; gives the status and the whole body.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let answer = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        timeout(CALL_TIMEOUT, answer)
            .await
            .with_context(|| format!("{path}: no answer in time"))?
            .with_context(|| format!("{path}: the connection broke"))
    }

    /// Posts JSON and reads the JSON of a good answer.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let (status, body) = self.call(Method::POST, path, serde_json::to_vec(body)?).await?;
        read(path, status, &body)
    }

    /// Gets JSON.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        let (status, body) = self.call(Method::GET, path, Vec::new()).await?;
        read(path, status, &body)
    }

    /// Gets text.
    pub async fn text(&mut self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.call(Method::GET, path, Vec::new()).await?;
        if !status.is_success() {
            bail!("{path}: {status}");
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

fn read<T: DeserializeOwned>(path: &str, status: StatusCode, body: &[u8]) -> anyhow::Result<T> {
    if !status.is_success() {
        let told: String = String::from_utf8_lossy(body).chars().take(TOLD_MAX_CHARS).collect();
        bail!("{path}: {status}: {told}");
    }
    serde_json::from_slice(body).with_context(|| format!("{path}: an answer of another form"))
}
