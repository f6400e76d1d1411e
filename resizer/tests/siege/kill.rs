//! `kill -9` in the middle of a store: the bucket never shows a part of a picture.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::sleep;

use crate::{
    lab::{self, Lab, picture},
    proxy::{Fault, Proxy},
};

const ROUNDS: u32 = 50;
/// How long the proxy takes for a PUT's body.
const UPLOAD: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_leaves_a_whole_picture_or_none() {
    lab::run(async |lab: &Lab| {
        lab.upload("cat.jpg", "image/jpeg", picture(1500, 1000, 1)).await;
        let proxy = Proxy::start().await;
        let variables = [("AWS_ENDPOINT_URL", proxy.url())];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        // one undisturbed round: the expected bytes, and how long it takes
        let calm = lab.resizer(&variables);
        proxy.fail("PUT", Fault::SlowUpload(UPLOAD));
        let start = std::time::Instant::now();
        assert_eq!(calm.get("1000x700/cat.jpg").await.unwrap().status, 307);
        let whole = start.elapsed();
        let expected = lab.object("1000x700/cat.jpg").await.unwrap();
        drop(calm);

        let mut seen = BTreeMap::<&str, u32>::new();
        for round in 0..ROUNDS {
            lab.s3.delete_object().bucket(&lab.bucket).key("1000x700/cat.jpg").send().await.unwrap();
            let mut resizer = lab.resizer(&variables);
            let uploads = proxy.begun("PUT");
            let request = resizer.get("1000x700/cat.jpg");
            let moment = async {
                // two of three within the upload, the others anywhere
                if round % 3 == 0 {
                    return sleep(whole.mul_f64(rand::random())).await;
                }
                while proxy.begun("PUT") == uploads {
                    sleep(Duration::from_millis(2)).await;
                }
                sleep(UPLOAD.mul_f64(rand::random())).await;
            };
            let answered = tokio::select! {
                answer = request => answer.is_ok(),
                () = moment => false,
            };
            resizer.kill();
            // bytes in the kernel are lost too, as when a whole node dies
            proxy.cut_uploads();
            let begun = proxy.begun("PUT") > uploads;
            // the gateway has finished the request that it was in
            sleep(UPLOAD).await;
            let left = lab.object("1000x700/cat.jpg").await;
            assert!(left.as_ref().is_none_or(|left| *left == expected), "round {round}: half a picture, {:?} bytes", left.map(|l| l.len()));
            *seen
                .entry(match (begun, &left, answered) {
                    (_, _, true) => "killed after the answer",
                    (_, Some(_), _) => "killed when all was sent, whole",
                    (true, None, _) => "killed while sending, nothing stored",
                    (false, None, _) => "killed before the store",
                })
                .or_default() += 1;

            let again = lab.resizer(&variables);
            assert_eq!(again.get("1000x700/cat.jpg").await.unwrap().status, 307, "round {round}");
            assert!(lab.object("1000x700/cat.jpg").await.unwrap() == expected, "round {round}");
        }
        println!("{ROUNDS} kills: {seen:?}; later requests that failed: 0");
        assert!(seen.get("killed while sending, nothing stored").is_some_and(|rounds| *rounds >= 5), "{seen:?}");
    })
    .await;
}
