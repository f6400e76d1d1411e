//! Every attempt of a call to S3 → a counter.

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::FinalizerInterceptorContextRef},
    error::BoxError,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;

use crate::admin::metrics::Metrics;

/// Counts calls.
#[derive(Clone, Debug)]
pub struct Calls(pub Metrics);

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("unknown", Metadata::name);
        let code = context.response().map_or_else(|| "none".to_owned(), |response| response.status().as_u16().to_string());
        self.0.called_s3(operation, &code);
        Ok(())
    }
}
