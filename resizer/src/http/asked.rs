//! The headers by which a request chooses: `If-None-Match` → what its sender has, `Accept` → the variant that it wants. Pure.
//!
//! `direct` reads requests with it; below is nothing of this crate.

use http::{HeaderMap, Method, header};
use resize_api::Variant;

/// The formats that a request can choose by name, and their media types, the one with the fewest bytes first.
const CHOICES: [(Variant, &str); 2] = [(Variant::Avif, "image/avif"), (Variant::WebP, "image/webp")];

/// What a request says beside its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// It wants no body.
    pub(super) is_head: bool,
    /// Entity tags that its sender has, without `W/`.
    tags: Vec<String>,
    /// It has something, whatever that is.
    any: bool,
    /// Formats that it names, and how much it wants them in thousandths.
    accepts: Vec<(Variant, u16)>,
}

impl Asked {
    /// What a request with this method and these headers says.
    pub(super) fn new(method: &Method, headers: &HeaderMap) -> Self {
        let values = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let mut asked = Self { is_head: method == Method::HEAD, ..Self::default() };
        for text in values(header::IF_NONE_MATCH) {
            asked.any |= text.trim() == "*";
            asked.tags.extend(tags(text).map(ToOwned::to_owned));
        }
        for text in values(header::ACCEPT) {
            asked.accepts.extend(text.split(',').filter_map(range));
        }
        asked
    }

    /// Whether its sender has something of which it would like to know that it is still so.
    pub(super) fn is_conditional(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Whether its sender has what `etag` names. Two tags are compared weakly.
    pub(super) fn has(&self, etag: &str) -> bool {
        self.tags.iter().any(|tag| *tag == opaque(etag))
    }

    /// Whether an answer with this tag, if it has one, is already there.
    pub(super) fn has_answer(&self, etag: Option<&str>) -> bool {
        self.any || etag.is_some_and(|etag| self.has(etag))
    }

    /// The one of `variants` that it names and wants most.
    pub(super) fn choose(&self, variants: impl Fn(Variant) -> bool) -> Option<Variant> {
        let named = CHOICES.iter().filter_map(|&(variant, _)| {
            let wanted = self.accepts.iter().filter(|(named, _)| *named == variant).map(|(_, quality)| *quality).max()?;
            (wanted > 0 && variants(variant)).then_some((wanted, variant))
        });
        // of equals the first one, which has fewer bytes
        named.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, variant)| variant)
    }
}

fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// The tags of a list: what stands in quotes, commas included.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let quoted = |(number, part): (usize, _)| (number % 2 == 1).then_some(part);
    // an odd number of quotes leaves the last one open
    let closed = list.rfind('"').map_or("", |end| if list.matches('"').count().is_multiple_of(2) { list } else { &list[..end] });
    closed.split('"').enumerate().filter_map(quoted)
}

/// A media range that names one of the choices, and its weight. `*/*` and `image/*` name none.
fn range(text: &str) -> Option<(Variant, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?;
    let (variant, _) = CHOICES.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(name))?;
    let weight = parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")));
    Some((variant, weight.map_or(Some(1000), |(_, text)| thousandths(text.trim()))?))
}

/// `0`, `1`, and up to three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_short = rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
    match whole {
        "0" if is_short => format!("{rest:0<3}").parse().ok(),
        "1" if is_short && rest.bytes().all(|digit| digit == b'0') => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(name: &'static str, values: &[&str]) -> Asked {
        let headers = values.iter().map(|value| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        Asked::new(&Method::GET, &headers.collect())
    }

    #[test]
    fn only_what_is_named_and_wanted_is_chosen() {
        use Variant::{Avif, Jpeg, WebP};
        for (accept, of, expect) in [
            (&["image/avif,image/webp,*/*;q=0.8"][..], &[Avif, WebP][..], Some(Avif)),
            (&["image/avif,image/webp,*/*;q=0.8"], &[WebP], Some(WebP)),
            (&["image/avif;q=0.5, IMAGE/WebP ; Q=0.9"], &[Avif, WebP], Some(WebP)),
            (&["image/avif;q=0", "image/webp;q=0.001"], &[Avif, WebP], Some(WebP)),
            (&["image/avif;q=0.0,image/webp;q=0"], &[Avif, WebP], None),
            (&["image/avif;q=0,image/avif"], &[Avif], Some(Avif)),
            (&["image/webp;q=1.000"], &[WebP], Some(WebP)),
            (&["image/webp;q=1.001"], &[WebP], None),
            (&["image/webp;q=0.1234"], &[WebP], None),
            (&["image/webp;q=-1", "image/webp;q=", "image/webp;q=x", "image/webp;q=.5", "image/webp;q=2"], &[WebP], None),
            (&["*/*", "image/*", "image/jpeg", "image/webpx", "x/image/webp"], &[Avif, WebP, Jpeg], None),
            (&["image/jpeg,image/png"], &[Jpeg], None),
            (&[], &[Avif, WebP], None),
            (&["", ",;,=;q"], &[Avif, WebP], None),
        ] {
            assert_eq!(asked("accept", accept).choose(|variant| of.contains(&variant)), expect, "{accept:?}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (sent, is_conditional, has) in [
            (&["W/\"a1\""][..], true, true),
            (&["\"a1\""], true, true),
            (&["\"b\", W/\"a1\",\"c,d\""], true, true),
            (&["\"b\"", "\"a1\""], true, true),
            (&["\"b,a1\""], true, false),
            (&["\"A1\""], true, false),
            (&["a1"], false, false),
            (&["\"b\", \"a1"], true, false),
            (&["\"a1"], false, false),
            (&[""], false, false),
            (&[], false, false),
        ] {
            let asked = asked("if-none-match", sent);
            assert_eq!((asked.is_conditional(), asked.has("W/\"a1\"")), (is_conditional, has), "{sent:?}");
            assert_eq!((asked.has_answer(Some("\"a1\"")), asked.has_answer(None)), (has, false), "{sent:?}");
        }
        let any = asked("if-none-match", &[" * "]);
        assert!(!any.is_conditional() && any.has_answer(None) && any.has_answer(Some("\"x\"")));
    }
}
