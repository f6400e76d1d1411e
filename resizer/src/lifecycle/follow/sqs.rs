//! A queue of SQS → the changes of its messages; a message is deleted once all that it tells of is handled. It touches the network.
//!
//! What fails comes again when its time of invisibility has passed. What can never be read is dropped after some attempts, if the
//! queue has not moved it to a dead-letter queue before.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    config::Builder,
    error::DisplayErrorContext,
    types::{Message, MessageSystemAttributeName},
};
use futures::{StreamExt, stream};
use tokio::time::sleep;

use super::{Follower, event::changes};

/// Messages of one receive, as many as SQS gives at once.
const BATCH: i32 = 10;
/// How long SQS waits for messages before it answers that there are none.
const WAIT_SECONDS: i32 = 20;
/// How long a message is invisible for others while it is handled.
const INVISIBLE_SECONDS: i32 = 120;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// Receives after which a message that cannot be read is dropped.
const MOST_RECEIVES: u32 = 5;

/// A queue.
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at `url`, with the credentials of `shared`; the URL names the region and the server.
    pub fn new(shared: &SdkConfig, url: &str) -> Self {
        let mut config = Builder::from(shared);
        let parsed = url.parse::<http::Uri>().unwrap_or_default();
        if let (Some(scheme), Some(authority)) = (parsed.scheme_str(), parsed.authority()) {
            config = config.endpoint_url(format!("{scheme}://{authority}"));
            // sqs.REGION.amazonaws.com
            if let ["sqs", region, "amazonaws", ..] = authority.host().split('.').collect::<Vec<_>>()[..] {
                config = config.region(aws_sdk_sqs::config::Region::new(region.to_owned()));
            }
        }
        Self { client: Client::from_conf(config.build()), url: url.to_owned() }
    }

    /// Handles messages, for ever.
    pub async fn follow(&self, follower: &Follower) {
        loop {
            match self.receive().await {
                Ok(messages) => stream::iter(messages).for_each_concurrent(None, |message| self.handle(follower, message)).await,
                Err(error) => {
                    tracing::warn!(queue = self.url, error, "cannot receive events");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(BATCH);
        let request = request.wait_time_seconds(WAIT_SECONDS).visibility_timeout(INVISIBLE_SECONDS);
        let request = request
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let received = request.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn handle(&self, follower: &Follower, message: Message) {
        let attribute = |name| message.attributes.as_ref()?.get(&name)?.parse::<u64>().ok();
        let sent = attribute(MessageSystemAttributeName::SentTimestamp).map(Duration::from_millis);
        if let Some(sent) = sent {
            follower.sent(sent);
        }
        let body = message.body.as_deref().unwrap_or_default();
        let is_done = match changes(body) {
            Ok(changes) => follower.handle(&changes).await.is_ok(),
            Err(error) => {
                follower.bad(&error);
                attribute(MessageSystemAttributeName::ApproximateReceiveCount).is_some_and(|count| count >= u64::from(MOST_RECEIVES))
            }
        };
        let Some(receipt) = message.receipt_handle.filter(|_| is_done) else { return };
        let deleted = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await;
        if let Err(error) = deleted {
            // it comes again, and changes nothing then
            tracing::warn!(queue = self.url, error = %DisplayErrorContext(error), "cannot delete a message");
        }
    }
}
