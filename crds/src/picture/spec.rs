//! `resize` and `output` of a ResizeEndpoint → [`Recipe`] and [`Storage`].

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Variant,
    stored::{Acl, Encryption, EncryptionSpec, Storage},
};

use super::{Animation, Colour, Effort, Fit, Kernel, OutputFormat, Position, Recipe, UpTo};

/// How pictures are scaled.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resize {
    /// How a picture fills a size of another ratio. `Cover`: fill it, cut off what is over. `Contain`: lie within it, fill the rest with the background. `Inside`: as large as fits within it. `Outside`: as small as covers it. `Fill`: fill it, whatever becomes of the ratio.
    #[serde(default)]
    pub fit: Fit,

    /// What `Cover` keeps, and where `Contain` puts the picture.
    #[serde(default)]
    pub position: Position,

    /// Leave a picture that is smaller than the size as it is.
    #[serde(default)]
    pub without_enlargement: bool,

    /// Colour around the picture, and behind it in a format without transparency, as `#rrggbb`.
    #[serde(default = "default_background")]
    #[schemars(length(max = 7))]
    #[x_kube(validation = Rule::new("self.matches('^#[0-9a-fA-F]{6}$')").message("want a colour such as #ffffff"))]
    pub background: String,

    /// How pixels are mixed: `Lanczos3` is sharp, `Mitchell` soft, `Nearest` for pixel art.
    #[serde(default)]
    pub kernel: Kernel,
}

fn default_background() -> String {
    Colour::WHITE.to_string()
}

impl Default for Resize {
    fn default() -> Self {
        Self {
            fit: Fit::default(),
            position: Position::default(),
            without_enlargement: false,
            background: default_background(),
            kernel: Kernel::default(),
        }
    }
}

/// How pictures are written.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Format of every picture that is made, whatever its name ends in. `Source`: the original's, or PNG for an original that browsers do not show.
    #[serde(default)]
    pub format: OutputFormat,

    /// Formats in which every picture is served beside its own: with `WebP`, `300x300/cat.jpg.webp` is `cat.jpg` as WebP. The suffixes are `.webp`, `.avif`, `.jpg` and `.png`. An object that is really named so comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub variants: Vec<Variant>,

    /// Quality of JPEG, WebP and AVIF, from 1 to 100. Default: 80 for JPEG and WebP, 60 for AVIF, which look about the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub quality: Option<i32>,

    /// Write all JPEGs so that they show coarse first, which is more work. Else only those that get smaller by it.
    #[serde(default)]
    pub progressive: bool,

    /// Time against bytes, at the same quality. `Fast`: larger files in less time. `Small`: smaller files, in two to five times the time of `Balanced`. GIFs are always the same.
    #[serde(default)]
    pub effort: Effort,

    /// Speed of writing AVIF, from 1 to 10: 1 takes the longest and gives the smallest files. Large pictures are written faster than this says, the largest not at all. Default: as `effort` says, 9, 7 or 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub avif_speed: Option<i32>,

    /// What becomes of animations. `First`: a still picture of the first frame. `Keep`: an animation, where the output's format is GIF or WebP.
    #[serde(default)]
    pub animation: Animation,

    /// ACL that pictures are stored with. `None`: none, the bucket's policy says who may read them. `PublicRead`: `public-read`, for buckets that are public by the ACLs of their objects.
    #[serde(default)]
    pub acl: Acl,

    /// How stored pictures are encrypted at rest. Default: as the bucket says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionSpec>,

    /// Storage class of stored pictures, such as `STANDARD_IA` or `INTELLIGENT_TIERING`. Default: the bucket's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z0-9_-]+$') && !(self in ['GLACIER', 'DEEP_ARCHIVE'])")
        .message("want a storage class whose objects can be read at once, such as STANDARD_IA"))]
    pub storage_class: Option<String>,

    /// Cache-Control header of the pictures that are made. Default: `public, max-age=3600, stale-while-revalidate=86400`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[!-~]([ -~]*[!-~])?$')")
        .message("want the value of a Cache-Control header, such as public, max-age=3600"))]
    pub cache_control: Option<String>,
}

impl TryFrom<&Output> for Storage {
    type Error = (&'static str, &'static str);

    /// What `output` says; an error is a field below it, and what would be right.
    fn try_from(output: &Output) -> Result<Self, Self::Error> {
        let encryption = output.encryption.clone().unwrap_or_default();
        let kms_key = encryption.key_id.as_deref().map(str::parse).transpose().map_err(|problem| ("encryption.keyId", problem))?;
        let class = output.storage_class.as_deref().map(str::parse).transpose().map_err(|problem| ("storageClass", problem))?;
        if kms_key.is_some() && encryption.mode != Encryption::Kms {
            return Err(("encryption.keyId", "want mode: Kms beside it"));
        }
        Ok(Self { acl: output.acl, encryption: encryption.mode, kms_key, class })
    }
}

impl Recipe {
    /// What `resize` and `output` say; an error is about the background.
    pub fn new(resize: &Resize, output: &Output) -> Result<Self, &'static str> {
        Ok(Self {
            fit: resize.fit,
            position: resize.position,
            without_enlargement: resize.without_enlargement,
            background: resize.background.parse()?,
            kernel: resize.kernel,
            format: output.format,
            quality: output.quality.map(up_to),
            progressive: output.progressive,
            effort: output.effort,
            avif_speed: output.avif_speed.map(up_to),
            animation: output.animation,
        })
    }
}

fn up_to<const MOST: u8>(value: i32) -> UpTo<MOST> {
    UpTo::new(u8::try_from(value.max(0)).unwrap_or(u8::MAX))
}
