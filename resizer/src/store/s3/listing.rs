//! Listing a bucket of S3. It touches the network.

use std::borrow::Cow;

use aws_sdk_s3::types::EncodingType;
use futures::future::{BoxFuture, FutureExt};
use percent_encoding::percent_decode_str;

use super::S3;
use crate::store::{
    StoreError,
    listing::{Depth, Inventory, Listed, Mark, Moment, Page},
};

impl Inventory for S3 {
    fn page<'a>(&'a self, prefix: &'a str, from: &'a Mark, depth: Depth) -> BoxFuture<'a, Result<Page, StoreError>> {
        async move {
            let (after, token) = match from {
                Mark::Start => (None, None),
                Mark::After(key) => (Some(key.clone()), None),
                Mark::Token(token) => (None, Some(token.clone())),
            };
            let request = self
                .reads
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_start_after(after)
                .set_continuation_token(token)
                .set_delimiter((depth == Depth::Folders).then(|| "/".to_owned()))
                // keys may hold what XML cannot
                .encoding_type(EncodingType::Url)
                .set_expected_bucket_owner(self.owner.clone())
                .set_request_payer(self.payer.clone());
            let output = self.settle("list", request.send().await)?;
            // a key that is not UTF-8 is no original and no derivative
            let listed = |object: &aws_sdk_s3::types::Object| {
                Some(Listed {
                    key: decode(object.key()?)?,
                    etag: object.e_tag().map(ToOwned::to_owned),
                    modified: Moment(object.last_modified().map_or(i64::MAX, aws_sdk_s3::primitives::DateTime::secs)),
                    size: object.size().and_then(|size| size.try_into().ok()).unwrap_or_default(),
                })
            };
            let objects: Vec<_> = output.contents().iter().filter_map(listed).collect();
            let folders: Vec<_> = output.common_prefixes().iter().filter_map(|folder| decode(folder.prefix()?)).collect();
            let next = output.is_truncated().unwrap_or_default().then(|| next(&objects, &folders, output.next_continuation_token));
            Ok(Page { objects, folders, next: next.transpose()? })
        }
        .boxed()
    }
}

/// Behind the last thing of a page; a store may also show an empty page and say that more follows.
fn next(objects: &[Listed], folders: &[String], token: Option<String>) -> Result<Mark, StoreError> {
    let object = objects.last().map(|object| &object.key);
    match (object, folders.last()) {
        (object, Some(folder)) if object < Some(folder) => Ok(Mark::behind(folder)),
        (Some(object), _) => Ok(Mark::After(object.clone())),
        (None, _) => {
            token.map(Mark::Token).ok_or_else(|| StoreError::Interrupted("a page of the listing does not say what follows".into()))
        }
    }
}

/// Some stores write a blank as `+`, none writes a plus so.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', "%20");
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: &str) -> Listed {
        Listed { key: key.to_owned(), etag: None, modified: Moment(0), size: 1 }
    }

    #[test]
    fn the_next_page_begins_behind_the_last_thing_seen() {
        let folder = |text: &str| vec![text.to_owned()];
        assert_eq!(next(&[listed("a"), listed("b")], &[], None), Ok(Mark::After("b".into())));
        assert_eq!(next(&[listed("a")], &folder("b/"), None), Ok(Mark::behind("b/")));
        assert_eq!(next(&[listed("c")], &folder("b/"), Some("t".into())), Ok(Mark::After("c".into())));
        assert_eq!(next(&[], &[], Some("t".into())), Ok(Mark::Token("t".into())));
        assert!(next(&[], &[], None).is_err());
    }

    #[test]
    fn keys_are_decoded_once() {
        for (text, key) in [("a%20b%2Bc", "a b+c"), ("a+b", "a b"), ("100%25.jpg", "100%.jpg"), ("%ED%91%B8/%01", "푸/\u{1}")] {
            assert_eq!(decode(text).as_deref(), Some(key));
        }
        assert_eq!(decode("%FF"), None);
    }
}
