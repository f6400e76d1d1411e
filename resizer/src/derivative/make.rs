//! An original → a derivative: its header is planned, memory and a worker are waited for, then a thread of its own resizes it.
//!
//! The sentence calls it between fetching and keeping. Below are `guard::admission` and the crate `picture`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use picture::{Picture, Plan, Request, Step, Stop};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{Flight, made::Made, object::Derivative, original::Fetched, state::request};
use crate::{error::Error, guard::admission::holding, watch::stage::Stage};

/// Stops the resize when the flight is dropped: nobody waits for it any more.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Flight {
    /// Resizes `original` once there is memory and a worker for it.
    pub(super) async fn make(&mut self, original: Fetched) -> Result<Made, Error> {
        let Fetched { bytes: source, provenance, .. } = original;
        let service = Arc::clone(&self.service);
        let settings = &service.settings;
        let request = request(settings, &self.key);
        let plan = plan(source.clone(), request).await?;
        self.report.memory_bytes = Some(plan.memory());
        let (start, waited) = (SystemTime::now(), self.lease.waited());
        let admitted = self.lease.admit(plan.memory()).await;
        self.report.add(Stage::Queue, start, self.lease.waited().saturating_sub(waited));
        let grant = admitted?;
        self.hold.commit();
        // the thread has a hold of its own: the key is not free before the thread has ended
        let (hold, stop) = (Arc::clone(&self.hold), Stop::new());
        let _stop_on_drop = StopOnDrop(stop.clone());
        let work = move || {
            let result = resize(&source, &plan, &stop);
            drop(hold);
            result
        };
        let size = |(picture, _): &(Result<Picture, _>, _)| picture.as_ref().map_or(0, |picture| picture.bytes.len() as u64);
        let resized = timeout(settings.bounds.resize, grant.run(work, size)).await;
        let ((picture, steps), memory) = resized.map_err(|_| Error::TooSlow)?.map_err(|_| Error::Panic)?;
        for (step, start, duration) in steps {
            self.report.add(step.into(), start, duration);
        }
        let picture = picture?;
        self.report.output_bytes = Some(picture.bytes.len() as u64);
        service.metrics.count_picture(picture.format);
        let mut derivative = Derivative::new(&self.key, picture, &request, &provenance, &settings.cache_control);
        let (bytes, charge) = holding(derivative.object.bytes, memory);
        derivative.object.bytes = bytes;
        Ok(Made { derivative, charge, source: provenance.etag })
    }
}

/// Headers come from strangers too: they are parsed on a thread where a panic is caught.
async fn plan(source: Bytes, request: Request) -> Result<Plan, Error> {
    let planned = spawn_blocking(move || picture::plan(&source, &request)).await;
    Ok(planned.map_err(|_| Error::Panic)??)
}

/// A step, when it began and how long it took.
type Took = (Step, SystemTime, Duration);

/// The picture, and what each step took. A step that failed counts as well.
fn resize(source: &[u8], plan: &Plan, stop: &Stop) -> (Result<Picture, picture::Error>, Vec<Took>) {
    let (mut steps, mut began, mut start) = (Vec::with_capacity(Step::ALL.len()), SystemTime::now(), Instant::now());
    let result = picture::execute_in_steps(source, plan, stop, |step| {
        steps.push((step, began, start.elapsed()));
        (began, start) = (SystemTime::now(), Instant::now());
    });
    if let Some(&failed) = Step::ALL.get(steps.len()) {
        steps.push((failed, began, start.elapsed()));
    }
    (result, steps)
}
