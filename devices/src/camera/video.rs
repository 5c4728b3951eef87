//! A camera of the machine: `/dev/video0` by `Video4Linux`, in YUYV, grey or motion JPEG.
//!
//! Owns the open device. It refuses one that captures no video, or in no format that it reads.
//! Needs no library of the system, only the kernel's device file and the right to read it (group
//! `video`).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use linuxvideo::{Device, format::PixFormat, format::PixelFormat, stream::ReadStream};

use super::{
    files::jpeg,
    frame::Frame,
    source::{CameraError, FrameSource, Pause},
};

/// How often a frame is looked for.
const STEP: Duration = Duration::from_millis(5);

/// How many times, before the call says that none came.
const STEPS: u32 = 200;

/// One byte a pixel.
const GREY: PixelFormat = PixelFormat::from_fourcc(*b"GREY");

/// A video device, opened when the first frame is wanted, and again after it failed.
pub struct Video {
    path: PathBuf,
    size: (u32, u32),
    open: Option<Open>,
}

impl std::fmt::Debug for Video {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Video")
            .field("path", &self.path)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

struct Open {
    stream: ReadStream,
    layout: Layout,
}

/// How the pixels of a frame lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    format: PixelFormat,
    width: usize,
    height: usize,
    /// Bytes from one row to the next.
    stride: usize,
}

impl Video {
    /// The device at `path`, asked for frames of `width` × `height`; it may answer with others.
    pub fn new(path: &Path, width: u32, height: u32) -> Self {
        Self { path: path.to_owned(), size: (width, height), open: None }
    }

    fn start(&self) -> Result<Open, String> {
        let device = Device::open(&self.path).map_err(|error| {
            format!("{error}: is it plugged in, and may this user read it (group video)?")
        })?;
        let kinds = device.capabilities().map_err(|error| error.to_string())?;
        if !kinds.device_capabilities().contains(linuxvideo::CapabilityFlags::VIDEO_CAPTURE) {
            return Err("it captures no video: try the next /dev/video number".into());
        }
        // Grey and YUYV need no decoding; motion JPEG is what cheap cameras do fast.
        let offered: Vec<PixelFormat> = device
            .formats(linuxvideo::BufType::VIDEO_CAPTURE)
            .filter_map(|format| format.ok().map(|format| format.pixel_format()))
            .collect();
        let readable = [GREY, PixelFormat::YUYV, PixelFormat::MJPG, PixelFormat::JPEG];
        let format = readable.into_iter().find(|format| offered.contains(format));
        let format = format.ok_or("it offers none of GREY, YUYV, MJPG and JPEG")?;
        let wanted = PixFormat::new(self.size.0, self.size.1, format);
        let capture = device.video_capture(wanted).map_err(|error| error.to_string())?;
        let given = capture.format();
        let side = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
        let layout = Layout {
            format: given.pixel_format(),
            width: side(given.width()),
            height: side(given.height()),
            stride: side(given.bytes_per_line()),
        };
        let stream = capture.into_stream().map_err(|error| error.to_string())?;
        Ok(Open { stream, layout })
    }
}

impl FrameSource for Video {
    fn next_frame(&mut self, pause: &Pause) -> Result<Option<Frame>, CameraError> {
        let path = self.path.display().to_string();
        let fail = |why: String| CameraError { what: path, why };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.start() {
                Ok(open) => open,
                Err(why) => return Err(fail(why)),
            },
        };
        match open.next(pause) {
            Ok(frame) => {
                self.open = Some(open);
                Ok(frame)
            }
            Err(why) => Err(fail(why)),
        }
    }
}

impl Open {
    fn next(&mut self, pause: &Pause) -> Result<Option<Frame>, String> {
        let mut steps = 0;
        while self.stream.will_block().map_err(|error| error.to_string())? {
            steps += 1;
            if STEPS < steps || pause.stopped_within(STEP) {
                return Ok(None);
            }
        }
        let layout = self.layout;
        // A frame cut off or damaged is no fault of the camera: the next one comes at once.
        let frame =
            self.stream.dequeue(|view| Ok(if view.is_error() { None } else { layout.read(&view) }));
        frame.map_err(|error| error.to_string())
    }
}

impl Layout {
    fn read(self, bytes: &[u8]) -> Option<Frame> {
        let step = match self.format {
            PixelFormat::MJPG | PixelFormat::JPEG => return jpeg(bytes).ok(),
            PixelFormat::YUYV => 2,
            GREY => 1,
            _ => return None,
        };
        let stride = self.stride.max(self.width * step);
        let mut luma = Vec::with_capacity(self.width * self.height);
        for row in 0..self.height {
            // The last row may lack its padding.
            let row = bytes.get(row * stride..row * stride + self.width * step)?;
            luma.extend(row.iter().step_by(step));
        }
        Frame::new(self.width, self.height, luma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shades_are_taken_out_of_every_layout() {
        let yuyv = Layout { format: PixelFormat::YUYV, width: 2, height: 2, stride: 6 };
        let bytes = [1, 90, 2, 91, 0, 0, 3, 92, 4, 93];
        assert_eq!(yuyv.read(&bytes).unwrap().luma(), [1, 2, 3, 4]);
        assert_eq!(yuyv.read(&bytes[..9]), None, "a frame cut off");
        let grey = Layout { format: GREY, width: 2, height: 2, stride: 0 };
        assert_eq!(grey.read(&[1, 2, 3, 4]).unwrap().luma(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_device_that_is_not_there_is_told_with_what_helps() {
        let (_stop, stopped) = std::sync::mpsc::channel();
        let mut video = Video::new(Path::new("/dev/video-none"), 640, 480);
        let error = video.next_frame(&Pause::new(stopped)).unwrap_err().to_string();
        assert!(error.contains("/dev/video-none") && error.contains("plugged in"), "{error}");
    }
}
