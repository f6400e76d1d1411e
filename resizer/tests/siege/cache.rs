//! A cache before `Direct` and before `Redirect`: what it keeps, asks again, and replaces; and how long a visitor of a missing size waits.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use aws_sdk_s3::types::{Condition, IndexDocument, Protocol, Redirect, RoutingRule, WebsiteConfiguration};
use futures::future::join_all;
use reqwest::Client;
use serde_json::json;

use crate::{
    far::away,
    lab::{self, Lab, Resizer, picture, s3},
    nginx::Nginx,
    port,
};

/// What `max-age` says in these tests, and a little more.
const EXPIRED: Duration = Duration::from_millis(2100);
const CACHE_CONTROL: (&str, &str) = ("CACHE_CONTROL", "public, max-age=1");
/// Follows no more redirects than there are without a loop.
const HOPS: usize = 3;

struct Seen {
    status: u16,
    cache: String,
    body: Vec<u8>,
}

async fn get(http: &Client, url: &str, accept: &str) -> Seen {
    let answer = http.get(url).header("accept", accept).send().await.unwrap();
    let cache = answer.headers().get("x-cache-status").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    Seen { status: answer.status().as_u16(), cache, body: answer.bytes().await.unwrap().to_vec() }
}

/// What the cache keeps of `url`, and how it came without the resizer. On a slow machine it may have expired meanwhile, so more than once.
async fn hit(http: &Client, url: &str, resizer: &Resizer) -> Seen {
    for _ in 0..20 {
        let before = resizer.metrics().await;
        let seen = get(http, url, "*/*").await;
        if seen.cache == "HIT" {
            assert_eq!(asked(resizer, &before).await, Vec::<String>::new(), "the cache asked");
            return seen;
        }
    }
    panic!("{url} is not kept");
}

/// The requests that came to the resizer since `before`; what it stores behind an answer is none.
async fn asked(resizer: &Resizer, before: &lab::Metrics) -> Vec<String> {
    resizer.moved(before).await.into_iter().filter(|moved| moved.starts_with("requests{")).collect()
}

fn follower() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::limited(HOPS)).build().unwrap()
}

/// A picture of one colour, by its number.
fn colour(number: u8) -> [u8; 3] {
    [number * 10, 255 - number * 10, 128]
}

fn plain(number: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(64, 64, image::Rgb(colour(number))).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Many visitors of many pictures at once, while they are made, found and kept: each gets the one that it asked for.
async fn each_gets_its_own(lab: &Lab, site: &str) {
    const PICTURES: u8 = 16;
    for number in 0..PICTURES {
        lab.upload(&format!("{number}.png"), "image/png", plain(number)).await;
    }
    let http = follower();
    for _ in 0..3 {
        let visits = (0..PICTURES).chain((0..PICTURES).rev()).map(async |number| {
            let seen = get(&http, &format!("{site}/300x300/{number}.png"), "*/*").await;
            assert_eq!(seen.status, 200, "{number}");
            let pixel = image::load_from_memory(&seen.body).unwrap().to_rgb8().get_pixel(9, 9).0;
            assert_eq!(pixel, colour(number), "another's picture");
        });
        join_all(visits).await;
        tokio::time::sleep(EXPIRED / 3).await;
    }
}

/// The resizer in `Direct`, and nginx before it.
async fn direct(lab: &Lab, program: &std::path::PathBuf, variables: &[(&str, &str)]) -> (Resizer, Nginx) {
    let port = port::reserve(Ipv4Addr::LOCALHOST);
    let url = format!("http://127.0.0.1:{port}");
    let mut all = vec![("URL", url.as_str()), ("DELIVERY_MODE", "Direct"), CACHE_CONTROL, ("NEGATIVE_SECONDS", "0")];
    all.extend(variables);
    let resizer = lab.resizer(&all);
    let nginx = Nginx::start(program, port, resizer.address(), "photos.example.com").await;
    (resizer, nginx)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_before_direct_keeps_asks_again_and_replaces() {
    let Some(program) = Nginx::program() else { return };
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600, 1)).await;
        let (resizer, nginx) = direct(lab, &program, &[]).await;
        let url = format!("{}/300x300/a.jpg", nginx.url);
        let visit = async || get(&lab.http, &url, "*/*").await;

        let first = visit().await;
        assert_eq!((first.status, first.cache.as_str()), (200, "MISS"));
        let second = hit(&lab.http, &url, &resizer).await;
        assert_eq!((second.status, &second.body), (200, &first.body));

        tokio::time::sleep(EXPIRED).await;
        let third = visit().await;
        assert_eq!((third.status, third.cache.as_str()), (200, "REVALIDATED"), "304 by its ETag");
        assert_eq!(third.body, first.body);

        lab.upload("a.jpg", "image/jpeg", picture(800, 600, 99)).await;
        tokio::time::sleep(EXPIRED).await;
        let fourth = visit().await;
        assert_eq!((fourth.status, fourth.cache.as_str()), (200, "EXPIRED"));
        assert!(fourth.body != first.body, "the picture of the earlier original");
        assert_eq!(visit().await.body, fourth.body);

        // an error is not kept: the original may come any moment
        let late = format!("{}/300x300/late.jpg", nginx.url);
        assert_eq!(get(&lab.http, &late, "*/*").await.status, 404);
        lab.upload("late.jpg", "image/jpeg", picture(800, 600, 3)).await;
        lab::until("the late one is shown", async || get(&lab.http, &late, "*/*").await.status == 200).await;

        each_gets_its_own(lab, &nginx.url).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_before_direct_gives_each_the_format_that_it_takes() {
    let Some(program) = Nginx::program() else { return };
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600, 1)).await;
        let (resizer, nginx) = direct(lab, &program, &[("OUTPUT_VARIANTS", "WebP"), ("DELIVERY_NEGOTIATE", "true")]).await;
        let url = format!("{}/300x300/a.jpg", nginx.url);
        for _ in 0..3 {
            for (accept, format) in [
                ("image/webp,*/*", image::ImageFormat::WebP),
                ("*/*", image::ImageFormat::Jpeg),
                ("image/avif,image/webp,image/*", image::ImageFormat::WebP),
            ] {
                let seen = get(&lab.http, &url, accept).await;
                assert_eq!((seen.status, image::guess_format(&seen.body).unwrap()), (200, format), "{accept}, {}", seen.cache);
            }
        }
        assert_eq!(image::guess_format(&hit(&lab.http, &url, &resizer).await.body).unwrap(), image::ImageFormat::Jpeg);
    })
    .await;
}

/// What the operator does with the bucket: everybody may read it, and a missing size is sent to the resizer.
async fn website(lab: &Lab, resizer: &str) -> String {
    let of_bucket = format!("arn:aws:s3:::{}", lab.bucket);
    let allow = |action: &str, resource: String| json!({ "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource });
    let statements = [allow("s3:GetObject", format!("{of_bucket}/*")), allow("s3:ListBucket", of_bucket.clone())];
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    lab.s3.put_bucket_policy().bucket(&lab.bucket).policy(policy.to_string()).send().await.unwrap();
    let condition = Condition::builder().key_prefix_equals("300x300/").http_error_code_returned_equals("404").build();
    let redirect = Redirect::builder()
        .protocol(Protocol::Http)
        .host_name(resizer)
        .replace_key_prefix_with("default/resize?key=300x300/")
        .http_redirect_code("307");
    let rule = RoutingRule::builder().condition(condition).redirect(redirect.build()).build();
    let index = IndexDocument::builder().suffix("index.html").build().unwrap();
    let config = WebsiteConfiguration::builder().index_document(index).routing_rules(rule).build();
    lab.s3.put_bucket_website().bucket(&lab.bucket).website_configuration(config).send().await.unwrap();
    format!("{}.s3-website.localhost", lab.bucket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_before_the_website_keeps_pictures_and_no_redirect() {
    let Some(program) = Nginx::program() else { return };
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600, 1)).await;
        let port = port::reserve(Ipv4Addr::LOCALHOST);
        let site = format!("http://127.0.0.1:{port}");
        let resizer = lab.resizer(&[("URL", &site), CACHE_CONTROL]);
        let host = website(lab, resizer.address()).await;
        let nginx = Nginx::start(&program, port, s3::ADDRESS, &host).await;
        let (http, url) = (follower(), format!("{}/300x300/a.jpg", nginx.url));

        let first = get(&http, &url, "*/*").await;
        assert_eq!((first.status, image::load_from_memory(&first.body).unwrap().width()), (200, 300));
        let before = resizer.metrics().await;
        let second = hit(&lab.http, &url, &resizer).await;
        assert_eq!((second.status, &second.body), (200, &first.body), "a redirect was kept");
        tokio::time::sleep(EXPIRED).await;
        let third = get(&lab.http, &url, "*/*").await;
        assert_eq!((third.status, &third.body), (200, &first.body), "{}", third.cache);
        assert_eq!(asked(&resizer, &before).await, Vec::<String>::new(), "a visitor of what is there came to the resizer");

        // what a sweep does with the derivative of an original that was replaced
        lab.upload("a.jpg", "image/jpeg", picture(800, 600, 99)).await;
        lab.s3.delete_object().bucket(&lab.bucket).key("300x300/a.jpg").send().await.unwrap();
        tokio::time::sleep(EXPIRED).await;
        let fourth = get(&http, &url, "*/*").await;
        assert_eq!(fourth.status, 200);
        assert!(fourth.body != first.body, "the picture of the earlier original");
        assert_eq!(get(&lab.http, &url, "*/*").await.body, fourth.body);

        each_gets_its_own(lab, &nginx.url).await;
    })
    .await;
}

/// Printed, not asserted: it is a matter of the machine.
#[tokio::test(flavor = "multi_thread")]
async fn how_long_the_first_visitor_waits_in_each_mode() {
    const ROUND_TRIP: Duration = Duration::from_millis(30);
    const VISITS: u8 = 15;
    lab::run(async |lab: &Lab| {
        let gateway: SocketAddr = s3::ADDRESS.parse().unwrap();
        let far_site = away(gateway, ROUND_TRIP).await;
        let host = format!("{}.s3-website.localhost", lab.bucket);
        let url = format!("http://{host}:{}", far_site.port());
        let redirect = lab.resizer(&[("URL", &url)]);
        website(lab, &away(redirect.address().parse().unwrap(), ROUND_TRIP).await.to_string()).await;
        let direct = lab.resizer(&[("URL", "http://photos.example.com"), ("DELIVERY_MODE", "Direct")]);
        let far_direct = away(direct.address().parse().unwrap(), ROUND_TRIP).await;

        let mut took = [Vec::new(), Vec::new()];
        for number in 0..VISITS {
            for (mode, base) in [url.clone(), format!("http://{far_direct}")].into_iter().enumerate() {
                let key = format!("{mode}-{number}.jpg");
                lab.upload(&key, "image/jpeg", picture(1600, 1200, number.into())).await;
                // a visitor without connections, who knows the name
                let http = Client::builder().redirect(reqwest::redirect::Policy::limited(HOPS)).resolve(&host, far_site).build().unwrap();
                let start = Instant::now();
                let seen = get(&http, &format!("{base}/300x300/{key}"), "*/*").await;
                took[mode].push(start.elapsed());
                assert_eq!((seen.status, image::load_from_memory(&seen.body).unwrap().width()), (200, 300));
            }
        }
        let [redirect, direct] = took.map(|mut took| {
            took.sort();
            took[took.len() / 2]
        });
        println!("a missing size, {ROUND_TRIP:?} away, median of {VISITS}: Redirect {redirect:.1?}, Direct {direct:.1?}");
    })
    .await;
}
