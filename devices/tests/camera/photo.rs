//! Makes pictures of ticket codes as a gate's camera sees them: tilted, blurred, noisy, dim.
//!
//! Owns the optics; each picture follows from its seed alone. The measurement calls it.

use fast_qr::{ECL, QRBuilder};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use shanmen_devices::camera::Frame;

pub(crate) const WIDTH: usize = 640;
pub(crate) const HEIGHT: usize = 480;

/// How a picture is taken. Lengths are in pixels, angles in degrees, levels in 0 to 255.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shot {
    pub(crate) px_per_module: f32,
    /// At most this much, either way.
    pub(crate) rotation: f32,
    /// Tilt of the paper around both axes, at most.
    pub(crate) tilt: f32,
    pub(crate) blur_sigma: f32,
    pub(crate) noise_sigma: f32,
    pub(crate) black: f32,
    pub(crate) white: f32,
    /// How much a bright spot adds in its middle.
    pub(crate) glare: f32,
    pub(crate) inverted: bool,
}

impl Default for Shot {
    fn default() -> Self {
        Self {
            px_per_module: 4.0,
            rotation: 6.0,
            tilt: 4.0,
            blur_sigma: 0.6,
            noise_sigma: 3.0,
            black: 35.0,
            white: 215.0,
            glare: 0.0,
            inverted: false,
        }
    }
}

/// A picture of `text` as a QR code.
pub(crate) fn take(text: &str, shot: Shot, seed: u64) -> Frame {
    let mut rng = StdRng::seed_from_u64(seed);
    let code = QRBuilder::new(text).ecl(ECL::M).build().expect("a code");
    let size = code.size;
    let view = View::new(&mut rng, shot);
    let light = Light::new(&mut rng, shot);
    let mut levels = vec![0_f32; WIDTH * HEIGHT];
    for (i, level) in levels.iter_mut().enumerate() {
        let (x, y) = ((i % WIDTH) as f32, (i / WIDTH) as f32);
        // Nine rays a pixel, as a sensor's pixel gathers light from its whole face.
        let mut sum = 0.0;
        for ray in 0..9_u8 {
            let (dx, dy) =
                (f32::from(ray % 3) / 3.0 - 1.0 / 3.0, f32::from(ray / 3) / 3.0 - 1.0 / 3.0);
            let (u, v) = view.plane(x + dx, y + dy);
            sum += paper(u, v, size, shot.inverted, |row, column| code[row][column].value());
        }
        *level = light.on(sum / 9.0, x, y);
    }
    let mut levels = blurred(&levels, shot.blur_sigma);
    for level in &mut levels {
        *level += shot.noise_sigma * gauss(&mut rng);
    }
    let luma = levels.iter().map(|level| level.round().clamp(0.0, 255.0) as u8).collect();
    Frame::new(WIDTH, HEIGHT, luma).expect("a frame")
}

/// How bright the world is at (`u`, `v`), in modules from the code's middle: 0 to 1.
fn paper(u: f32, v: f32, size: usize, inverted: bool, dark: impl Fn(usize, usize) -> bool) -> f32 {
    const QUIET: f32 = 4.0;
    let half = size as f32 / 2.0;
    let edge = u.abs().max(v.abs());
    if edge < half {
        let (row, column) = ((v + half) as usize, (u + half) as usize);
        let is_dark = dark(row.min(size - 1), column.min(size - 1));
        return if is_dark == inverted { 1.0 } else { 0.0 };
    }
    if edge < half + QUIET {
        return if inverted { 0.0 } else { 1.0 };
    }
    // A hand, a coat, the far side of the lane: uneven grey.
    0.45 + 0.12 * (u * 0.31).sin() * (v * 0.23).cos()
}

/// Where the camera stands: from a pixel to a place on the paper.
struct View {
    px_per_module: f32,
    spin: (f32, f32),
    tilt: (f32, f32),
    centre: (f32, f32),
}

impl View {
    fn new(rng: &mut StdRng, shot: Shot) -> Self {
        let mut angle = |most: f32| (rng.random_range(-1.0..=1.0_f32) * most).to_radians();
        let spin = angle(shot.rotation).sin_cos();
        let tilt = (angle(shot.tilt).tan(), angle(shot.tilt).tan());
        let centre = (
            WIDTH as f32 / 2.0 + rng.random_range(-15.0..=15.0),
            HEIGHT as f32 / 2.0 + rng.random_range(-12.0..=12.0),
        );
        Self { px_per_module: shot.px_per_module, spin, tilt, centre }
    }

    fn plane(&self, x: f32, y: f32) -> (f32, f32) {
        const FOCAL: f32 = 700.0;
        let (x, y) = (x - self.centre.0, y - self.centre.1);
        // A tilted plane cut by the ray through the pixel: farther on one side than on the other.
        let depth = 1.0 / (1.0 - (x * self.tilt.0 + y * self.tilt.1) / FOCAL).max(0.1);
        let stretch = |tilt: f32| (1.0 + tilt * tilt).sqrt();
        let (x, y) = (x * depth * stretch(self.tilt.0), y * depth * stretch(self.tilt.1));
        let (sin, cos) = self.spin;
        ((x * cos + y * sin) / self.px_per_module, (y * cos - x * sin) / self.px_per_module)
    }
}

/// How the paper is lit.
struct Light {
    black: f32,
    white: f32,
    slope: (f32, f32),
    spot: (f32, f32),
    glare: f32,
}

impl Light {
    fn new(rng: &mut StdRng, shot: Shot) -> Self {
        Self {
            black: shot.black,
            white: shot.white,
            slope: (rng.random_range(-0.1..=0.1), rng.random_range(-0.1..=0.1)),
            spot: (
                WIDTH as f32 / 2.0 + rng.random_range(-110.0..=110.0),
                HEIGHT as f32 / 2.0 + rng.random_range(-110.0..=110.0),
            ),
            glare: shot.glare,
        }
    }

    fn on(&self, bright: f32, x: f32, y: f32) -> f32 {
        let across = (x / WIDTH as f32 - 0.5, y / HEIGHT as f32 - 0.5);
        let lit = 1.0 + self.slope.0 * across.0 * 2.0 + self.slope.1 * across.1 * 2.0;
        let away = (x - self.spot.0).powi(2) + (y - self.spot.1).powi(2);
        let spot = self.glare * (-away / (2.0 * 55.0_f32.powi(2))).exp();
        (self.black + (self.white - self.black) * bright) * lit + spot
    }
}

fn blurred(levels: &[f32], sigma: f32) -> Vec<f32> {
    let reach = (sigma * 3.0).ceil() as usize;
    let weights: Vec<f32> =
        (0..=reach).map(|i| (-((i * i) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let total: f32 = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    let along = |from: &[f32], len: usize, step: usize, at: usize, place: usize| {
        let mut sum = weights[0] * from[at];
        for (i, weight) in weights.iter().enumerate().skip(1) {
            let before = at - i.min(place) * step;
            let after = at + i.min(len - 1 - place) * step;
            sum += weight * (from[before] + from[after]);
        }
        sum / total
    };
    let rows: Vec<f32> =
        (0..levels.len()).map(|at| along(levels, WIDTH, 1, at, at % WIDTH)).collect();
    (0..rows.len()).map(|at| along(&rows, HEIGHT, WIDTH, at, at / WIDTH)).collect()
}

fn gauss(rng: &mut StdRng) -> f32 {
    let (a, b): (f32, f32) = (rng.random_range(f32::MIN_POSITIVE..1.0), rng.random_range(0.0..1.0));
    (-2.0 * a.ln()).sqrt() * (b * std::f32::consts::TAU).cos()
}
