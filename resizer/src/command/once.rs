//! `resizer once INPUT WxH OUTPUT`: file → file, without a bucket and without a network, by the same [`Recipe`] as the service.

use std::{fs, path::Path};

use resize_api::{Limits, Recipe, Resolution, picture::OutputFormat};

use picture::{Request, Stop, execute, plan};

/// What to resize.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// A picture.
    pub input: String,
    /// The size, WIDTHxHEIGHT in pixels; 0 in one place keeps the ratio.
    pub resolution: Resolution,
    /// Where it goes: the ending .jpg, .png, .webp, .gif or .avif says as what.
    pub output: String,
}

/// Resizes one file by `recipe`, whose format gives way to the ending of the output's name, if that is one of ours.
/// An error is a line for people.
pub fn run(arguments: &Arguments, mut recipe: Recipe) -> Result<(), String> {
    let Arguments { input, resolution, output } = arguments;
    let source = fs::read(input).map_err(|error| format!("{input}: {error}"))?;
    recipe.format = format_of(output).unwrap_or(recipe.format);
    let request = Request { resolution: *resolution, limits: Limits::default(), recipe };
    let picture =
        plan(&source, &request).and_then(|plan| execute(&source, &plan, &Stop::new())).map_err(|error| format!("{input}: {error}"))?;
    fs::write(output, picture.bytes).map_err(|error| format!("{output}: {error}"))
}

fn format_of(name: &str) -> Option<OutputFormat> {
    let ending = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        "jpg" | "jpeg" => Some(OutputFormat::Jpeg),
        "png" => Some(OutputFormat::Png),
        "webp" => Some(OutputFormat::WebP),
        "gif" => Some(OutputFormat::Gif),
        "avif" => Some(OutputFormat::Avif),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments([input, resolution, output]: [&str; 3]) -> Arguments {
        Arguments { input: input.to_owned(), resolution: resolution.parse().unwrap(), output: output.to_owned() }
    }

    #[test]
    fn resizes_a_file_into_the_format_of_the_name() {
        let folder = std::env::temp_dir().join(format!("resizer-once-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (input, output, unnamed) = (folder.join("in.bmp"), folder.join("out.PNG"), folder.join("out"));
        let bmp = b"BM\x3A\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0";
        fs::write(&input, [&bmp[..], &[0; 16], &[1, 2, 3, 0]].concat()).unwrap();
        let [input, output, unnamed] = [input, output, unnamed].map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(run(&arguments([&input, "4x2", &output]), Recipe::default()), Ok(()));
        assert!(fs::read(&output).unwrap().starts_with(b"\x89PNG"));
        let recipe = Recipe { format: OutputFormat::Gif, ..Recipe::default() };
        assert_eq!(run(&arguments([&input, "4x2", &unnamed]), recipe), Ok(()));
        assert!(fs::read(&unnamed).unwrap().starts_with(b"GIF"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn says_what_is_wrong() {
        let error = run(&arguments(["/no/such/file", "3x3", "out.jpg"]), Recipe::default()).unwrap_err();
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
