//! Files of `torch.save`: archives, and those of PyTorch before 1.6.

use rawzip::ZipArchiveWriter;
use std::io::Write;
use wgpu_rnn::{Config, LoadOptions, Weights};

use super::{Case, LARGE, each};

fn text(text: &str) -> Vec<u8> {
    [b"X", &u32::try_from(text.len()).expect("short").to_le_bytes()[..], text.as_bytes()].concat()
}

fn int(value: usize) -> Vec<u8> {
    [b"J", &i32::try_from(value).expect("small").to_le_bytes()[..]].concat()
}

/// A tuple.
fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

/// A tensor in a storage of its own. A matrix is a transposed view.
fn tensor(key: &str, shape: &[usize], is_old: bool) -> Vec<u8> {
    let count = shape.iter().product();
    let mut id =
        vec![text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text(key), text("cpu"), int(count)];
    if is_old {
        id.push(b"N".to_vec());
    }
    let strides = match *shape {
        [rows, _] => tuple(&[int(1), int(rows)]),
        _ => tuple(&[int(1)]),
    };
    let sizes: Vec<Vec<u8>> = shape.iter().map(|&size| int(size)).collect();
    let hooks = b"ccollections\nOrderedDict\n)R".to_vec();
    let arguments = [[tuple(&id), b"Q".to_vec()].concat(), int(0), tuple(&sizes), strides, vec![0x89], hooks];
    [b"ctorch._utils\n_rebuild_tensor_v2\n", &tuple(&arguments)[..], b"R"].concat()
}

/// A pickle of a state dict, with many other values beside it.
fn pickle(config: &Config, is_old: bool) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for (place, (name, shape)) in config.parameters().enumerate() {
        pickle.extend(text(&name));
        pickle.extend(tensor(&place.to_string(), &shape, is_old));
    }
    pickle.extend(text("steps"));
    pickle.extend(b"](");
    (0..4000).for_each(|step| pickle.extend([int(step), b"]".to_vec()].concat()));
    pickle.extend(b"eu.");
    pickle
}

fn values(config: &Config) -> impl Iterator<Item = Vec<u8>> {
    config.parameters().map(|(_, shape)| vec![0; 4 * shape.iter().product::<usize>()])
}

fn archive(config: &Config) -> Vec<u8> {
    let mut writer = ZipArchiveWriter::new(Vec::new());
    let storages = values(config).enumerate().map(|(place, values)| (format!("model/data/{place}"), values));
    for (name, contents) in [("model/data.pkl".into(), pickle(config, false))].into_iter().chain(storages) {
        let (mut file, options) = writer.new_file(&name).start().expect("a short name");
        let mut data = options.wrap(&mut file);
        data.write_all(&contents).expect("memory");
        let (_, end) = data.finish().expect("memory");
        file.finish(end).expect("memory");
    }
    writer.finish().expect("memory")
}

fn old(config: &Config) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    file.extend(pickle(config, true));
    let count = config.parameters().count();
    let keys: Vec<u8> = (0..count).flat_map(|place| text(&place.to_string())).collect();
    file.extend([b"\x80\x02](", &keys[..], b"e."].concat());
    for values in values(config) {
        file.extend((values.len() as u64 / 4).to_le_bytes());
        file.extend(values);
    }
    file
}

pub(super) fn cases() -> Vec<Case> {
    let config = Config::lstm(96, 128);
    let files = [("archive", archive(&config)), ("legacy", old(&config))];
    let case = |(name, file): (&str, Vec<u8>)| -> Case {
        let run = move || {
            each(LARGE, || Weights::from_bytes(&file, &LoadOptions::default()).map(drop));
        };
        (format!("pytorch {name}"), Box::new(run))
    };
    files.into_iter().map(case).collect()
}
