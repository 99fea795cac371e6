// Crops of 8-bit RGB images, augmented on the device: what ../augment.cpp makes, to the bit, before normalising.
#pragma once

extern "C" {

// pixels (crops, 3, size, size): uint8, the crops whose CropOrder's (augment_records.cuh) begin at packed + crops_at.
//
// packed: one upload, uint8: an ImageEntry for each image; pixels (height, width, 3) of each where its entry says.
// taps: at least the largest number of source pixels that any output pixel is made of, along one axis; most_rows,
// all_rows: the most source rows that one crop needs, and those of all crops together. Orders are trusted: a box that
// reaches outside its image reads what is not there.
void hssl_augment(long crops, long size, long taps, long most_rows, long all_rows, long crops_at,
                  const unsigned char* packed, unsigned char* pixels);

// out (crops, 3, area) = pixels * scale + bias of each channel, in float32.
void hssl_normalise_pixels(long crops, long area, double red_scale, double green_scale, double blue_scale,
                           double red_bias, double green_bias, double blue_bias, const unsigned char* pixels,
                           float* out);
}
