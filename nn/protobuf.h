/* protobuf: the binary format of .onnx files and TensorBoard's events, written only (protobuf.dev,
 * "Encoding"). A message is a row of fields, each with its number and the way its value is written:
 * a whole number by 7 bits a byte, four or eight bytes, or a length and so many bytes. Messages
 * inside of messages are bytes, so they are written first and then put where they belong.
 *
 * Bytes are appended to a base_str, whose `failed` is checked at the end.
 */
#ifndef NN_PROTOBUF_H
#define NN_PROTOBUF_H

#include "nn/base.h"

void pb_put_int(base_str *b, int field, int64_t v);
void pb_put_float(base_str *b, int field, float v);
void pb_put_double(base_str *b, int field, double v);
void pb_put_bytes(base_str *b, int field, const void *data, size_t n);
void pb_put_string(base_str *b, int field, const char *s);
/* inner is freed, and fails b where it has failed. */
void pb_put_message(base_str *b, int field, base_str *inner);

#endif
