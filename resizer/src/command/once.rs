//! `resizer once INPUT WxH OUTPUT`: file → file, without a bucket and without a network, by the same [`Recipe`] as the service.

use std::{fs, path::Path};

use resize_api::{Limits, Recipe, Resolution, picture::OutputFormat};

use picture::{Request, Stop, execute, plan};

/// What to type.
const USAGE: &str = "usage: resizer once INPUT WIDTHxHEIGHT OUTPUT[.jpg|.png|.webp|.gif|.avif]";

/// Resizes one file by `recipe`, whose format gives way to the ending of the output's name, if that is one of ours.
/// `arguments` are those after `once`. An error is a line for people.
pub fn run(arguments: &[String], mut recipe: Recipe) -> Result<(), String> {
    let [input, resolution, output] = arguments else { return Err(USAGE.to_owned()) };
    let resolution: Resolution = resolution.parse().map_err(|error| format!("{error}"))?;
    let source = fs::read(input).map_err(|error| format!("{input}: {error}"))?;
    recipe.format = format_of(output).unwrap_or(recipe.format);
    let request = Request { resolution, limits: Limits::default(), recipe };
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

    fn arguments(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn resizes_a_file_into_the_format_of_the_name() {
        let folder = std::env::temp_dir().join(format!("resizer-once-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (input, output, unnamed) = (folder.join("in.bmp"), folder.join("out.PNG"), folder.join("out"));
        let bmp = b"BM\x3A\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0";
        fs::write(&input, [&bmp[..], &[0; 16], &[1, 2, 3, 0]].concat()).unwrap();
        let [input, output, unnamed] = [input, output, unnamed].map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(run(&arguments(&[&input, "4x2", &output]), Recipe::default()), Ok(()));
        assert!(fs::read(&output).unwrap().starts_with(b"\x89PNG"));
        let recipe = Recipe { format: OutputFormat::Gif, ..Recipe::default() };
        assert_eq!(run(&arguments(&[&input, "4x2", &unnamed]), recipe), Ok(()));
        assert!(fs::read(&unnamed).unwrap().starts_with(b"GIF"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn says_what_is_wrong() {
        for (words, says) in
            [(&["in.jpg"][..], "usage"), (&["in.jpg", "0x0", "out.jpg"], "0x0"), (&["/no/such/file", "3x3", "out.jpg"], "/no/such/file")]
        {
            let error = run(&arguments(words), Recipe::default()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
