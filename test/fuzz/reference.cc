#include "reference.h"

#include "sample.pb.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace
{

bool quiet()
{
    google::protobuf::SetLogHandler(nullptr);
    return true;
}

} // namespace

bool reference_recode(const void *bytes, size_t size, void **out, size_t *out_size)
{
    static const bool is_quiet = quiet();
    sample::Everything message;
    if (!is_quiet || !message.ParseFromArray(bytes, static_cast<int>(size)))
        return false;
    std::string text;
    {
        google::protobuf::io::StringOutputStream stream(&text);
        google::protobuf::io::CodedOutputStream coded(&stream);
        coded.SetSerializationDeterministic(true);
        if (!message.SerializeToCodedStream(&coded))
            std::abort();
    }
    *out = std::malloc(text.size() + 1);
    if (!*out)
        std::abort();
    std::memcpy(*out, text.data(), text.size());
    *out_size = text.size();
    return true;
}
