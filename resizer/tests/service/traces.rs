//! The program with an OpenTelemetry collector: the spans of a request.

use std::{
    io::{BufRead, BufReader},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    memory::jpeg,
    process::{GOOD, Running, ready, resizer},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// A made-up S3 that has a picture under every key but those of derivatives, and takes every object.
async fn s3() -> String {
    serve(Router::new().fallback(async |request: Request| {
        let body = if request.method() == "GET" { Body::from(jpeg()) } else { Body::empty() };
        let is_missing = request.method() == "HEAD" && request.uri().path().contains("/30x30/");
        Response::builder().status(if is_missing { 404 } else { 200 }).body(body).unwrap()
    }))
    .await
}

/// A collector, and the spans that it got, with the service's name.
async fn collector() -> (String, Arc<Mutex<Vec<(String, Span)>>>) {
    let spans = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&spans);
    let url = serve(Router::new().fallback(async move |request: Request| {
        assert_eq!((request.uri().path(), request.headers()["content-type"].to_str().unwrap()), ("/v1/traces", "application/x-protobuf"));
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let name = format!("{:?}", name.value.unwrap());
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            into.lock().unwrap().extend(spans.map(|span| (name.clone(), span)));
        }
        Response::new(Body::empty())
    }))
    .await;
    (url, spans)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_a_span_for_the_request_and_one_for_each_stage() {
    let ((collector, spans), s3) = (collector().await, s3().await);
    let mut child = Running::start(resizer(&GOOD).envs([
        ("AWS_ENDPOINT_URL", s3.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("S3_FORCE_PATH_STYLE", "true"),
        ("DRAIN_SECONDS", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
    ]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready = ready(&mut lines);
    let mut stream = TcpStream::connect(ready["listen"].as_str().unwrap()).await.unwrap();
    let head = format!(
        "GET /default/resize?key=30x30/cat.jpg HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-request-id: r-1\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 307"), "{answer}");

    // spans that are not sent yet are sent when it stops
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let all = async {
        while spans.lock().unwrap().len() < 7 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_mins(1), all).await.expect("all spans arrive");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let spans = spans.lock().unwrap();
    let (service, root) = spans.iter().find(|(_, span)| span.name == "resize").unwrap();
    assert!(service.contains("\"resizer\""), "{service}");
    assert_eq!((hex(&root.trace_id), hex(&root.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    let attributes = format!("{:?}", root.attributes);
    for text in ["\"r-1\"", "\"redirected\"", "\"30x30/cat.jpg\"", "IntValue(307)"] {
        assert!(attributes.contains(text), "{text} in {attributes}");
    }
    let mut stages: Vec<_> = spans.iter().map(|(_, span)| span).filter(|span| span.name != "resize").collect();
    stages.sort_by_key(|span| span.start_time_unix_nano);
    assert_eq!(stages.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["fetch", "queue", "decode", "scale", "encode", "store"]);
    for stage in stages {
        assert_eq!((&stage.trace_id, &stage.parent_span_id), (&root.trace_id, &root.span_id), "{}", stage.name);
        assert!(stage.start_time_unix_nano >= root.start_time_unix_nano && stage.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000);
    }
}
