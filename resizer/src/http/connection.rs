//! A client's stream → the same stream, which fails when the client takes too long.
//!
//! A client that sends a request's head byte by byte, or reads an answer so, would hold a connection, and a picture in memory, for as
//! long as it likes. `server` wraps every stream; `seats` reads here which connections are idle.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep, sleep},
};

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a request's head once it has begun, and for taking any part of an answer.
    pub step: Duration,
    /// For taking a whole answer.
    pub answer: Duration,
}

/// What the connection is doing.
#[derive(Clone)]
pub struct Phase {
    now: Arc<Mutex<Now>>,
    /// Told when the connection becomes idle.
    change: Arc<Notify>,
}

#[derive(Clone, Copy)]
enum Now {
    /// Nothing, since then.
    Idle(Instant),
    /// A head has begun; before that it was idle since then.
    Head(Instant),
    /// The client waits for us.
    Work,
    /// An answer goes out.
    Answer,
    /// All of an answer is there to be sent.
    Sent,
}

impl Phase {
    /// Nothing has been said. `change` is told whenever that is so again.
    pub fn new(change: Arc<Notify>) -> Self {
        Self { now: Arc::new(Mutex::new(Now::Idle(Instant::now()))), change }
    }

    /// A whole head has arrived: from now on the client waits for us.
    pub fn work(&self) {
        self.set(Now::Work);
    }

    /// An answer goes out.
    pub fn answer(&self) {
        self.set(Now::Answer);
    }

    /// All of the answer is there to be sent.
    pub fn sent(&self) {
        self.set(Now::Sent);
    }

    /// The client has all, and may ask again.
    pub fn idle(&self) {
        self.set(Now::Idle(Instant::now()));
        self.change.notify_one();
    }

    /// Since when nobody waits here for anything.
    pub fn idle_since(&self) -> Option<Instant> {
        match self.get() {
            Now::Idle(since) | Now::Head(since) => Some(since),
            Now::Work | Now::Answer | Now::Sent => None,
        }
    }

    fn get(&self) -> Now {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, now: Now) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// The body of an answer, whose end the connection's phase is told.
pub struct Sending {
    body: Body,
    phase: Phase,
}

impl Sending {
    /// `body`, on the connection of `phase`.
    pub fn new(body: Body, phase: Phase) -> Self {
        Self { body, phase }
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.phase.sent();
    }
}

/// `stream`, which fails when the client is too slow.
pub struct Connection<S> {
    stream: S,
    phase: Phase,
    patience: Patience,
    head: Pin<Box<Sleep>>,
    stall: Option<Pin<Box<Sleep>>>,
    /// When the answer that is being written began to wait for the client.
    writing: Option<Instant>,
}

impl<S> Connection<S> {
    /// A connection on which nothing has been said.
    pub fn new(stream: S, phase: Phase, patience: Patience) -> Self {
        Self { stream, phase, patience, head: Box::pin(sleep(patience.step)), stall: None, writing: None }
    }

    /// What a write came to, unless the client takes too long.
    fn written<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stall = None;
            return result;
        }
        let left = self.patience.answer.saturating_sub(self.writing.get_or_insert_with(Instant::now).elapsed());
        let step = self.patience.step.min(left);
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(step))).as_mut().poll(context));
        Poll::Ready(Err(too_slow("an answer")))
    }
}

fn too_slow(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("client is too slow with {what}"))
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(result) => {
                let idle = match this.phase.get() {
                    Now::Idle(since) => Some(since),
                    Now::Answer | Now::Sent => Some(Instant::now()),
                    Now::Head(_) | Now::Work => None,
                };
                if let Some(since) = idle.filter(|_| buffer.filled().len() > before) {
                    this.phase.set(Now::Head(since));
                    this.head.as_mut().reset(Instant::now() + this.patience.step);
                    this.writing = None;
                }
                Poll::Ready(result)
            }
            Poll::Pending if matches!(this.phase.get(), Now::Head(_)) => {
                ready!(this.head.as_mut().poll(context));
                Poll::Ready(Err(too_slow("a request")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.written(context, result)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(context);
        if matches!((&result, this.phase.get()), (Poll::Ready(Ok(())), Now::Sent)) {
            this.phase.idle();
        }
        this.written(context, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience = Patience { step: SECOND, answer: Duration::from_secs(5) };

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_must_end() {
        let (mut client, server) = duplex(64);
        let phase = Phase::new(Arc::default());
        let mut connection = Connection::new(server, phase.clone(), PATIENCE);
        let mut byte = [0];
        let idle = tokio::time::timeout(SECOND * 60, connection.read(&mut byte)).await;
        assert!(idle.is_err(), "an idle connection has time");
        client.write_all(b"GE").await.unwrap();
        let mut bytes = [0; 2];
        connection.read_exact(&mut bytes).await.unwrap();
        assert_eq!(connection.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);

        // once it is there, the client waits for us, as long as that takes
        phase.work();
        assert!(tokio::time::timeout(SECOND * 60, connection.read(&mut byte)).await.is_err());
        phase.answer();
        assert!(tokio::time::timeout(SECOND * 60, connection.read(&mut byte)).await.is_err());
        client.write_all(b"G").await.unwrap();
        connection.read_exact(&mut byte).await.unwrap();
        assert_eq!(connection.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut, "the next head as well");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_taken_steadily_and_in_time() {
        let (_client, server) = duplex(1);
        let mut connection = Connection::new(server, Phase::new(Arc::default()), PATIENCE);
        let start = Instant::now();
        assert_eq!(connection.write_all(&[0; 3]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), SECOND);

        let (mut client, server) = duplex(1);
        let mut connection = Connection::new(server, Phase::new(Arc::default()), PATIENCE);
        let (start, mut taken) = (Instant::now(), 0);
        let take = async {
            loop {
                tokio::time::sleep(SECOND / 2).await;
                client.read_u8().await.unwrap();
                taken += 1;
            }
        };
        let failure = tokio::select! {
            failure = connection.write_all(&[0; 1000]) => failure.unwrap_err(),
            () = take => unreachable!("it ends with the answer"),
        };
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        assert!(taken > 4 && start.elapsed() <= PATIENCE.answer, "{taken} bytes in {:?}", start.elapsed());
    }
}
