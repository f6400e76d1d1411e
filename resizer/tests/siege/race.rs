//! An original that is replaced while two replicas make a derivative of it.

use std::time::{Duration, Instant};

use futures::join;
use tokio::time::sleep;

use crate::{
    lab::{self, Lab, picture},
    proxy::{Fault, Proxy},
};

/// How often the original is replaced between the first GET and the last PUT.
const HITS: usize = 200;
/// How long a PUT takes here, so that there is something to hit.
const WINDOW: Duration = Duration::from_millis(40);

/// Whether the derivative is of the original as it is now; none if there is no derivative.
async fn is_fresh(lab: &Lab, original: &str, derivative: &str) -> Option<bool> {
    let head = async |key: &str| lab.s3.head_object().bucket(&lab.bucket).key(key).send().await.ok();
    let (original, derivative) = (head(original).await.unwrap(), head(derivative).await?);
    Some(derivative.metadata().unwrap().get("resize-source-etag").map(String::as_str) == original.e_tag())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_that_is_replaced_meanwhile_never_leaves_a_stale_derivative() {
    lab::run(async |lab: &Lab| {
        let proxy = Proxy::start().await;
        proxy.fail("PUT", Fault::Slow(WINDOW));
        let url = proxy.url();
        let replicas = [(); 2].map(|()| lab.resizer(&[("AWS_ENDPOINT_URL", &url)]));
        let (before, after) = (picture(800, 600, 1), picture(800, 600, 2));
        let (mut rounds, mut hits, mut made_again, mut missing, mut later) = (0, 0, 0, 0, 0);
        while hits < HITS {
            rounds += 1;
            assert!(rounds < 10 * HITS, "the original is hardly ever replaced in time: {hits} of {rounds}");
            let (original, derivative) = (format!("{rounds}.jpg"), format!("30x30/{rounds}.jpg"));
            let path = format!("/{}/{original}", lab.bucket);
            lab.upload(&original, "image/jpeg", before.clone()).await;
            let replace = async {
                sleep(WINDOW.mul_f64(rand::random_range(0.0..1.5))).await;
                lab.upload(&original, "image/jpeg", after.clone()).await;
                Instant::now()
            };
            let (first, second, replaced) = join!(replicas[0].get(&derivative), replicas[1].get(&derivative), replace);
            for answer in [first.unwrap(), second.unwrap()] {
                assert!([307, 503].contains(&answer.status), "{}", answer.status);
            }
            let puts = proxy.times("PUT", &format!("/{}/{derivative}", lab.bucket));
            let gets = proxy.times("GET", &path);
            hits += usize::from(gets[0] < replaced && puts.last().is_some_and(|last| replaced < *last));
            made_again += usize::from(gets.len() > 2);
            // replaced after the last look at it: what events and sweeps are for
            let is_later = proxy.times("HEAD", &path).last().is_none_or(|looked| *looked < replaced);
            later += usize::from(is_later);
            match is_fresh(lab, &original, &derivative).await {
                Some(fresh) => assert!(fresh || is_later, "round {rounds}: stale"),
                None => missing += 1,
            }
        }
        println!(
            "{rounds} rounds: replaced between GET and PUT {hits}, made again {made_again}, no derivative left {missing}, stale 0; \
             replaced only after the last look {later}"
        );
    })
    .await;
}
