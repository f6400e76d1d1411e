//! What is on a page → its HTML. Pure: every text that is not ours is escaped here, in a text or in an attribute alike.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use resize_api::{ResizedKey, Resolution, Settings, Variant};

use crate::store::{StoreError, listing::Listed};

const TEMPLATE: &str = include_str!("page.html");
/// Sizes that are shown where any may be asked for.
const ANY: [Resolution; 2] = [Resolution { width: 300, height: 300 }, Resolution { width: 640, height: 0 }];

/// What stands on one page.
#[derive(Default)]
pub(super) struct Sheet {
    pub(super) pictures: Vec<Listed>,
    /// Behind which key the next page begins.
    pub(super) next: Option<String>,
}

/// What all pages have in common.
pub(super) struct Page<'a> {
    pub(super) settings: &'a Settings,
    pub(super) prefix: &'a str,
    /// The pictures are on the server that shows the page.
    pub(super) is_own: bool,
    pub(super) nonce: &'a str,
}

impl Page<'_> {
    /// The whole page, or why there is nothing on it.
    pub(super) fn write(&self, after: &str, sheet: Result<Sheet, StoreError>) -> String {
        let (about, sheet) = match sheet {
            Ok(sheet) => (about(after, &sheet), sheet),
            Err(error) => (self.refused(&error), Sheet::default()),
        };
        let pictures: String = sheet.pictures.iter().map(|picture| self.picture(picture)).collect();
        let link = |key: &String| format!("<a href=\"?after={}\">more</a>", utf8_percent_encode(key, NON_ALPHANUMERIC));
        let next = sheet.next.as_ref().map(link).unwrap_or_default();
        let title = escape(&format!("{}{}{}", self.settings.bucket, if self.prefix.is_empty() { "" } else { "/" }, self.prefix));
        fill(TEMPLATE, &[("title", &title), ("nonce", self.nonce), ("about", &about), ("pictures", &pictures), ("next", &next)])
    }

    fn refused(&self, error: &StoreError) -> String {
        let why = match error {
            StoreError::Forbidden if self.is_own => "this folder may not be read".to_owned(),
            StoreError::Forbidden => "the keys of this bucket may not be listed: allow the pods s3:ListBucket".to_owned(),
            StoreError::Failed(_) | StoreError::Interrupted(_) | StoreError::Credentials(_) => "see the log".to_owned(),
            error => escape(&error.to_string()),
        };
        format!("<span class=\"bad\">There is nothing to show: {why}.</span>")
    }

    fn picture(&self, picture: &Listed) -> String {
        let listed = &self.settings.allowed_resolutions;
        let sizes = if listed.is_empty() { ANY.to_vec() } else { listed.iter().copied().collect() };
        let own = if self.settings.delivery.negotiate { "as the browser accepts it" } else { "in its own format" };
        let head = self.settings.variants.iter().map(|variant| format!("<th>{variant}")).collect::<Vec<_>>().concat();
        let rows: String = sizes.into_iter().map(|size| self.row(picture, size)).collect();
        let (name, bytes) = (escape(&picture.key), grouped(picture.size));
        let is_served = !self.is_own || self.settings.delivery.originals;
        let name = if is_served { format!("<a href=\"{}\">{name}</a>", self.url(&picture.key)) } else { name };
        format!("<article>\n<h2>{name} <small>{bytes} bytes</small></h2>\n<table><tr><th><th>{own}{head}\n{rows}</table>\n</article>\n")
    }

    fn row(&self, picture: &Listed, size: Resolution) -> String {
        let variants = std::iter::once(None).chain(self.settings.variants.iter().copied().map(Some));
        let cells: String = variants.map(|variant| self.cell(&picture.key, size, variant)).collect();
        format!("<tr><th>{size}{cells}\n")
    }

    fn cell(&self, original: &str, size: Resolution, variant: Option<Variant>) -> String {
        match ResizedKey::of(size, original, variant) {
            Some(key) => {
                let (url, name) = (self.url(&key.to_string()), escape(&key.to_string()));
                format!("<td><a href=\"{url}\"><img loading=\"lazy\" src=\"{url}\" alt=\"{name}\"></a><small></small>")
            }
            None => "<td><small class=\"bad\">its name is too long for this</small>".to_owned(),
        }
    }

    /// Where the object `key` is, as an attribute.
    fn url(&self, key: &str) -> String {
        let url = self.settings.url.object(key);
        let path = url.strip_prefix(&self.settings.url.to_string()).filter(|_| self.is_own).unwrap_or(&url);
        escape(path)
    }
}

/// The words above the pictures.
fn about(after: &str, sheet: &Sheet) -> String {
    match (sheet.pictures.is_empty(), after) {
        (true, "") if sheet.next.is_none() => "There are none whose names end like those of pictures.".to_owned(),
        (true, _) => "No pictures on this page.".to_owned(),
        (false, "") => "Each at every size and in every variant, made when you come to it and kept.".to_owned(),
        (false, after) => format!("Those behind <code>{}</code>. <a href=\"?\">From the beginning</a>", escape(after)),
    }
}

/// `template` with what stands for each `{name}`, in one go: what is put in is not looked at again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        page.push_str(before);
        let value = values.iter().find_map(|(name, value)| Some((value, after.strip_prefix(name)?.strip_prefix('}')?)));
        if let Some((value, behind)) = value {
            page.push_str(value);
            rest = behind;
        } else {
            page.push('{');
            rest = after;
        }
    }
    page + rest
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(index, digit): (usize, char)| {
        if index > 0 && (digits.len() - index).is_multiple_of(3) { format!(",{digit}") } else { format!("{digit}") }
    };
    digits.chars().enumerate().map(comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::listing::Moment;

    fn settings() -> Settings {
        let mut settings = Settings::new("photos".into(), "http://p.example.com/x".parse().unwrap());
        settings.allowed_resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
        settings.variants = [Variant::WebP, Variant::Avif].into();
        settings
    }

    fn sheet(key: &str) -> Sheet {
        let picture = Listed { key: key.to_owned(), etag: None, modified: Moment(0), size: 1_234_567 };
        Sheet { pictures: vec![picture], next: Some(key.to_owned()) }
    }

    #[test]
    fn every_size_and_variant_has_its_place() {
        let settings = settings();
        let page = Page { settings: &settings, prefix: "a/", is_own: false, nonce: "n0" }.write("", Ok(sheet("a/b c.jpg")));
        for size in ["300x300", "640x0"] {
            for suffix in ["", ".webp", ".avif"] {
                let url = format!("src=\"http://p.example.com/x/{size}/a/b%20c.jpg{suffix}\"");
                assert!(page.contains(&url), "{url}: {page}");
            }
        }
        assert_eq!(page.matches("<img ").count(), 6);
        assert!(page.contains("photos/a/") && page.contains("1,234,567 bytes") && page.contains("?after=a%2Fb%20c%2Ejpg"));
        assert!(page.contains("<script nonce=\"n0\">") && page.contains("<style nonce=\"n0\">"));
        let own = Page { settings: &settings, prefix: "", is_own: true, nonce: "n0" }.write("", Ok(sheet("b.jpg")));
        assert!(own.contains("src=\"/300x300/b.jpg.avif\"") && !own.contains("p.example.com"), "{own}");
        assert!(!own.contains("href=\"/b.jpg\""), "originals are not served");
    }

    #[test]
    fn no_name_is_read_as_html_or_as_part_of_the_template() {
        let settings = settings();
        let page = Page { settings: &settings, prefix: "", is_own: true, nonce: "secret" };
        let name = "\"><script>alert('1')</script>&{nonce}{pictures}.jpg";
        let html = page.write(name, Ok(sheet(name)));
        assert_eq!((html.matches("<script").count(), html.matches("secret").count()), (1, 2), "{html}");
        assert!(html.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;{nonce}{pictures}.jpg"), "{html}");
        assert_eq!(html.matches("<article>").count(), 1);
    }

    #[test]
    fn it_says_why_there_is_nothing() {
        let settings = settings();
        let page = |is_own| Page { settings: &settings, prefix: "", is_own, nonce: "n" };
        assert!(page(true).write("", Ok(Sheet::default())).contains("There are none"));
        let denied = page(false).write("", Err(StoreError::Forbidden));
        assert!(denied.contains("s3:ListBucket"), "{denied}");
        let failed = page(false).write("", Err(StoreError::Failed("<inside>".into())));
        assert!(failed.contains("see the log") && !failed.contains("inside"), "{failed}");
        let long = page(true).write("", Ok(sheet(&"a".repeat(1020))));
        assert!(!long.contains("<img ") && long.contains("too long"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(grouped), ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
