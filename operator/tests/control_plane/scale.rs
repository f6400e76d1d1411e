//! Many endpoints: what each costs, what rest costs, and what a restart costs.
//!
//! A few in every run of the tests; `make scale` measures with as many as `RESIZE_SCALE` says.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::StreamExt;
use serde_json::Value;

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments},
    process::{Operator, patiently},
    store::Store,
};

/// Rest is the time between two looks at a bucket. By default the first of many endpoints is looked at again before the last one has rested.
const ARGUMENTS: [&str; 4] = ["--log-level", "warn", "--resync-seconds", "7200"];

/// How many, and how long to watch them at rest.
struct Size {
    endpoints: usize,
    rest: Duration,
}

fn size() -> Size {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    match number("RESIZE_SCALE") {
        Some(endpoints) => Size { endpoints, rest: Duration::from_secs(number("RESIZE_REST").unwrap_or(300) as u64) },
        None => Size { endpoints: 50, rest: Duration::from_secs(5) },
    }
}

fn is_ours(call: &Value) -> bool {
    call["user"]["username"] == "system:serviceaccount:system:resize-operator"
}

/// What has been asked so far.
#[derive(Default)]
struct Calls {
    api: BTreeMap<String, usize>,
    s3: BTreeMap<String, usize>,
}

impl Calls {
    /// Those of the operator; renewals of its lease, watches and the lists before them are not for any endpoint.
    fn so_far(plane: &ControlPlane, store: &Store) -> Self {
        let mut calls = Self::default();
        for call in plane.calls().iter().filter(|call| is_ours(call)) {
            let (verb, resource) = (call["verb"].as_str().unwrap(), call["objectRef"]["resource"].as_str().unwrap_or_default());
            let is_watch = verb == "watch" || (verb == "list" && call["objectRef"]["namespace"].is_null());
            if resource != "leases" && !is_watch {
                *calls.api.entry(format!("{verb} {resource}")).or_default() += 1;
            }
        }
        for call in store.calls() {
            *calls.s3.entry(call.method.to_string()).or_default() += 1;
        }
        calls
    }

    fn since(mut self, before: &Self) -> Self {
        let subtract = |now: &mut BTreeMap<String, usize>, before: &BTreeMap<String, usize>| {
            for (name, count) in before {
                *now.get_mut(name).unwrap() -= count;
            }
            now.retain(|_, count| *count > 0);
        };
        subtract(&mut self.api, &before.api);
        subtract(&mut self.s3, &before.s3);
        self
    }

    fn writes(&self) -> usize {
        let reads = |name: &str| ["get ", "list ", "GET"].iter().any(|read| name.starts_with(read));
        self.api.iter().chain(&self.s3).filter(|(name, _)| !reads(name)).map(|(_, count)| count).sum()
    }
}

/// The calls for the endpoint `name` so far, in their order.
fn of_one(plane: &ControlPlane, name: &str) -> Vec<String> {
    let is_of_it = |found: &str| found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']));
    let calls = plane.calls();
    let named = calls.iter().filter(|call| is_ours(call)).filter(|call| {
        let (named, uri) = (call["objectRef"]["name"].as_str().unwrap_or_default(), call["requestURI"].as_str().unwrap_or_default());
        is_of_it(named) || uri.contains(&format!("endpoint%3D{name}&"))
    });
    named
        .map(|call| {
            let part = |name: &str| call["objectRef"][name].as_str();
            let subresource = part("subresource").map(|part| format!("/{part}")).unwrap_or_default();
            format!("{} {}{subresource}", call["verb"].as_str().unwrap_or_default(), part("resource").unwrap_or_default())
        })
        .collect()
}

fn sum(calls: &BTreeMap<String, usize>) -> usize {
    calls.values().sum()
}

fn ready(operator: &Operator) -> usize {
    let Some((_, text)) = operator.get("/metrics") else { return 0 };
    text.lines()
        .filter(|line| line.starts_with("resize_operator_endpoint_condition{") && line.contains("condition=\"Ready\",status=\"True\""))
        .count()
}

/// Reconciles that came to their end.
fn reconciles(operator: &Operator) -> f64 {
    operator.metric("resize_operator_reconcile_duration_seconds_count").unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
async fn every_endpoint_costs_a_few_calls_and_rest_and_restart_no_write() {
    let Some(plane) = ControlPlane::start().await else { return };
    let Size { endpoints: count, rest } = size();
    let each = u32::try_from(count).unwrap();
    let patience = Duration::from_mins(2) + Duration::from_millis(200) * each;
    // the answer has lines for each endpoint: asked more often than by a Prometheus, it would be a good part of what is measured
    let between = Duration::from_secs(1) + Duration::from_millis(2) * each;
    let store = Store::start().await;
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let kubeconfig = plane.kubeconfig_of("resize-operator").await;
    let mut operator = Operator::start(&plane, "first", &kubeconfig, &ARGUMENTS);
    operator.wait_until(200, "leading").await;
    let memory_before = operator.status("VmRSS");

    let start = Instant::now();
    let names = (0..count).map(|number| format!("photos-{number}"));
    futures::stream::iter(names).for_each_concurrent(16, async |name| plane.apply(&[endpoint(&store, &name)]).await).await;
    let applied = start.elapsed();
    patiently(patience, "all are Ready", async || {
        tokio::time::sleep(between).await;
        ready(&operator) == count
    })
    .await;
    let took = start.elapsed();
    settle(&operator, between, patience).await;
    let made = Calls::so_far(&plane, &store);
    let per = |calls: &BTreeMap<String, usize>| sum(calls) as f64 / count as f64;
    println!(
        "{count} endpoints: applied within {:.1} s, all Ready after {:.1} s, {:.1} s of CPU",
        applied.as_secs_f64(),
        took.as_secs_f64(),
        operator.cpu().as_secs_f64()
    );
    println!(
        "calls for each: {:.2} to Kubernetes, {:.2} to S3; reconciles: {:.2}",
        per(&made.api),
        per(&made.s3),
        reconciles(&operator) / count as f64
    );
    println!("{:?} {:?}, public URLs asked: {}", made.api, made.s3, store.visits());
    println!("those for the middle one: {}", of_one(&plane, &format!("photos-{}", count / 2)).join(", "));
    println!("memory: {} kB before, {} kB after, {} kB at most", memory_before, operator.status("VmRSS"), operator.status("VmHWM"));
    assert!(per(&made.api) <= 12.0, "{:?}", made.api);
    assert!(per(&made.s3) <= 5.0, "{:?}", made.s3);

    let (cpu, visits) = (operator.cpu(), store.visits());
    tokio::time::sleep(rest).await;
    let resting = Calls::so_far(&plane, &store).since(&made);
    println!(
        "at rest for {} s: {:?} {:?}, {:.2} s of CPU",
        rest.as_secs(),
        resting.api,
        resting.s3,
        operator.cpu().saturating_sub(cpu).as_secs_f64()
    );
    assert_eq!((sum(&resting.api), sum(&resting.s3), store.visits() - visits), (0, 0, 0), "{:?} {:?}", resting.api, resting.s3);

    operator.signal("TERM");
    assert_eq!(operator.end().await, Some(0));
    let before = Calls::so_far(&plane, &store);
    let operator = Operator::start(&plane, "second", &kubeconfig, &ARGUMENTS);
    let start = Instant::now();
    patiently(patience, "all are looked at", async || {
        tokio::time::sleep(between).await;
        reconciles(&operator) >= count as f64
    })
    .await;
    let took = start.elapsed();
    settle(&operator, between, patience).await;
    let after = Calls::so_far(&plane, &store).since(&before);
    println!("restarted: all looked at after {:.1} s, {:?} {:?}", took.as_secs_f64(), after.api, after.s3);
    println!(
        "memory: {} kB, {} kB at most; {:.1} s of CPU",
        operator.status("VmRSS"),
        operator.status("VmHWM"),
        operator.cpu().as_secs_f64()
    );
    assert_eq!(after.writes(), 0, "{:?} {:?}", after.api, after.s3);
    assert!(per(&after.api) <= 1.0 && per(&after.s3) <= 1.0, "{:?} {:?}", after.api, after.s3);
}

/// Waits until nothing is reconciled any more, and asks no more often than `between`.
async fn settle(operator: &Operator, between: Duration, patience: Duration) {
    let mut last = (0.0, Instant::now());
    patiently(patience, "it comes to rest", async || {
        tokio::time::sleep(between).await;
        let now = reconciles(operator);
        if now > last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(3)
    })
    .await;
}
