//! Nothing is written, to Kubernetes or to S3, by a process that does not hold the lease.
//!
//! The clock is asked right before a write begins and whenever it goes on, so a process that was
//! frozen meanwhile does not finish what it had begun.
//!
//! `lead` opens it; every call passes through it but those for the Lease itself. Nothing is below.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use axum::http::{Method, Request};
use tower::{Layer, Service};

/// How long a write may take once it has begun, to Kubernetes or to S3: it ends before another process may write.
pub const WRITE: Duration = Duration::from_secs(4);
/// How long the Kubernetes API may take until it begins to answer anything else.
const READ: Duration = Duration::from_secs(15);

/// Until when this process may write. Copies share it.
#[derive(Clone, Debug)]
pub struct Fence {
    start: Instant,
    /// Milliseconds after `start`.
    until: Arc<AtomicU64>,
}

/// The lease is not held.
#[derive(Debug, thiserror::Error)]
#[error("not written: this process does not hold the lease")]
pub struct Closed;

impl Fence {
    /// One that lets nothing through before it is opened.
    pub fn closed() -> Self {
        Self { start: Instant::now(), until: Arc::default() }
    }

    /// Lets writes through until then.
    pub fn open_until(&self, until: Instant) {
        let milliseconds = until.saturating_duration_since(self.start).as_millis();
        self.until.store(milliseconds.try_into().unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Lets nothing through any more.
    pub fn close(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// How long writes may still begin.
    pub fn left(&self) -> Duration {
        let until = self.start + Duration::from_millis(self.until.load(Ordering::Acquire));
        until.saturating_duration_since(Instant::now())
    }

    fn check(&self) -> Result<(), Closed> {
        if self.left().is_zero() { Err(Closed) } else { Ok(()) }
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced { inner, fence: self.clone() }
    }
}

/// A client of the Kubernetes API that writes only while the fence is open.
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if *request.method() == Method::GET {
            return Box::pin(in_time(READ, self.inner.call(request)));
        }
        if let Err(closed) = self.fence.check() {
            return Box::pin(async { Err(closed.into()) });
        }
        let (fence, mut answer) = (self.fence.clone(), Box::pin(in_time(WRITE, self.inner.call(request))));
        // checked at every poll: the client repeats some calls after a pause
        Box::pin(std::future::poll_fn(move |context| match fence.check() {
            Ok(()) => answer.as_mut().poll(context),
            Err(closed) => Poll::Ready(Err(closed.into())),
        }))
    }
}

/// The answer, if it begins in time.
async fn in_time<T>(patience: Duration, answer: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    tokio::time::timeout(patience, answer).await.map_err(|_| format!("no answer within {} s", patience.as_secs()))?
}

impl Intercept for Fence {
    fn name(&self) -> &'static str {
        "Fence"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.request().method() == "GET" { Ok(()) } else { Ok(self.check()?) }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::ServiceExt;

    use super::*;

    async fn call(fence: &Fence, method: Method) -> Result<(), BoxError> {
        let answering = tower::service_fn(async |_: Request<()>| Ok::<_, Infallible>(())).map_err(BoxError::from);
        fence.layer(answering).oneshot(Request::builder().method(method).body(()).unwrap()).await
    }

    #[tokio::test]
    async fn only_reads_pass_a_closed_fence() {
        let fence = Fence::closed();
        assert!(call(&fence, Method::GET).await.is_ok());
        assert!(call(&fence, Method::PATCH).await.unwrap_err().is::<Closed>());
        fence.open_until(Instant::now() + Duration::from_mins(1));
        assert!(call(&fence, Method::PATCH).await.is_ok());
        fence.close();
        assert!(call(&fence, Method::POST).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_answered_ends() {
        let fence = Fence::closed();
        fence.open_until(Instant::now() + Duration::from_hours(1));
        for (method, patience) in [(Method::GET, READ), (Method::PATCH, WRITE)] {
            let silent = tower::service_fn(|_: Request<()>| std::future::pending::<Result<(), Infallible>>()).map_err(BoxError::from);
            let start = tokio::time::Instant::now();
            let error = fence.layer(silent).oneshot(Request::builder().method(method).body(()).unwrap()).await.unwrap_err();
            assert!(error.to_string().contains("no answer within"), "{error}");
            assert_eq!(start.elapsed().as_secs(), patience.as_secs());
        }
    }

    #[tokio::test]
    async fn a_write_under_way_ends_with_the_fence() {
        let fence = Fence::closed();
        fence.open_until(Instant::now() + Duration::from_mins(1));
        let slow = tower::service_fn(async |_: Request<()>| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>(())
        });
        let mut slow = fence.layer(slow.map_err(BoxError::from));
        let answer = slow.call(Request::builder().method(Method::PATCH).body(()).unwrap());
        fence.close();
        assert!(answer.await.unwrap_err().is::<Closed>());
    }
}
