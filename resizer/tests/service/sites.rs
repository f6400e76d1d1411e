//! Pictures are for every site: what a browser asks before it lets a script of another one read them.

use http::{Method, StatusCode};
use resize_api::delivery::DeliveryMode;

use crate::memory::{Fixture, Memory, body, header, jpeg};

const SMALL: &str = "/default/resize?key=30x30/photos/cat.jpg";

#[tokio::test]
async fn every_answer_is_for_every_site() {
    for delivery in [DeliveryMode::Redirect, DeliveryMode::Direct] {
        let fixture = Fixture::new(Memory::with(&[("photos/cat.jpg", "image/jpeg", jpeg())]), |settings| settings.delivery.mode = delivery);
        for (method, target) in [
            (Method::GET, SMALL),
            (Method::HEAD, SMALL),
            (Method::GET, "/"),
            (Method::POST, SMALL),
            (Method::OPTIONS, SMALL),
            (Method::OPTIONS, "/x"),
        ] {
            let response = fixture.send(method.clone(), target).await;
            assert_eq!(header(&response, "access-control-allow-origin"), "*", "{method} {target}");
            assert_eq!(header(&response, "cross-origin-resource-policy"), "cross-origin", "{method} {target}");
            assert_eq!(header(&response, "timing-allow-origin"), "*", "{method} {target}");
            if method == Method::OPTIONS {
                assert_eq!(response.status(), StatusCode::NO_CONTENT);
                assert_eq!(header(&response, "access-control-allow-methods"), "GET, HEAD");
                assert_eq!(header(&response, "access-control-allow-headers"), "*");
                assert_eq!(header(&response, "access-control-max-age"), "86400");
                assert!(!response.headers().contains_key("content-length") && body(response).await.is_empty());
            }
        }
        assert_eq!(fixture.outcomes("preflight"), 2);
    }
}
