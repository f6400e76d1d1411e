//! Hostile pictures, in a process that has 256 MiB.

use std::time::Instant;

use futures::future::join_all;

use crate::lab::{self, Cage, Lab, picture};

const LIMIT: u64 = 256 << 20;
/// What the resizer gives itself in a container of 256 MiB; said here for where no control group can be made.
const BUDGET: &str = "125829120";

#[tokio::test(flavor = "multi_thread")]
async fn no_picture_kills_it() {
    lab::run(async |lab: &Lab| {
        let cage = Cage::new(LIMIT);
        let variables = [("NEGATIVE_SECONDS", "0"), ("MEMORY_BUDGET_BYTES", BUDGET)];
        let mut resizer = lab.resizer_in(cage.as_ref(), if cage.is_some() { &variables[..1] } else { &variables });
        let cases = hostile::cases();
        for (number, case) in cases.iter().enumerate() {
            lab.upload(&format!("{number}.jpg"), "image/jpeg", case.bytes.clone()).await;
        }
        println!("| picture | bytes | answer | ms | peak MiB |\n|---|---|---|---|---|");
        for (number, case) in cases.iter().enumerate() {
            resizer.forget_peak();
            let start = Instant::now();
            let answer = resizer.get(&format!("300x300/{number}.jpg")).await;
            let took = start.elapsed().as_millis();
            assert!(resizer.is_alive(), "{} killed it", case.name);
            let (answer, peak) = (answer.unwrap(), resizer.peak());
            println!("| {} | {} | {} | {took} | {} |", case.name, case.bytes.len(), answer.status, peak >> 20);
            assert_eq!(answer.status, case.right, "{}", case.name);
            assert!(peak < LIMIT, "{}: {} MiB", case.name, peak >> 20);
        }

        // and now all of them at once
        resizer.forget_peak();
        let all = join_all((0..cases.len()).map(|number| resizer.get_owned(format!("301x300/{number}.jpg")))).await;
        if let Some(cage) = &cage {
            assert_eq!(cage.peak_and_kills().1, 0, "all of them at once were too much");
        }
        assert!(resizer.is_alive(), "all of them at once killed it");
        for (answer, case) in all.into_iter().zip(&cases) {
            let status = answer.unwrap().status;
            assert!(status == case.right || status == 503, "{}: {status} among all", case.name);
        }
        let (threads, cpus) = (resizer.threads(), std::thread::available_parallelism().unwrap().get());
        assert!(threads <= 2 * cpus + 5, "{threads} threads: the first one, the network's, the workers', and four more");
        let metrics = resizer.metrics().await;
        println!(
            "all {} at once: peak {} MiB of {}, {threads} threads; in all: {:.1} s of CPU, {} panics caught",
            cases.len(),
            resizer.peak() >> 20,
            LIMIT >> 20,
            resizer.cpu().as_secs_f64(),
            metrics["resizer_panics_total"]
        );
        if let Some(cage) = &cage {
            let (peak, kills) = cage.peak_and_kills();
            println!("control group: peak {} MiB with page cache, {kills} kills", peak >> 20);
            assert_eq!(kills, 0);
        }
        lab.upload("good.jpg", "image/jpeg", picture(600, 400, 1)).await;
        assert_eq!(resizer.get("300x300/good.jpg").await.unwrap().status, 307, "after all of that");
        assert!(metrics["resizer_memory_budget_bytes"] < f64::from(u32::try_from(LIMIT).unwrap()) * 0.75);
    })
    .await;
}
