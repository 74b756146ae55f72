#include "daemon/catalog.hpp"

#include "base/log.hpp"
#include "daemon/catalog_work.hpp"
#include "daemon/image/staging.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <tuple>

namespace banger::daemon {

namespace {

/// When an entry came or went last; zero for a folder that is not there.
timespec last_change(const std::string& folder) {
    struct stat facts{};
    return ::stat(folder.c_str(), &facts) == 0 ? facts.st_mtim : timespec{};
}

bool same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/// Makes the objects on the bus agree with what is there; unchanged ones stay.
template <class Object, class Info>
void agree(std::vector<std::unique_ptr<Object>>& objects, std::vector<Info> there,
           sdbus::IConnection& connection) {
    const auto is_same = [](const Info& a, const Info& b) {
        return a.name == b.name && a.created_at == b.created_at;
    };
    std::erase_if(objects, [&](const auto& object) {
        return std::none_of(there.begin(), there.end(),
                            [&](const Info& info) { return is_same(info, object->info()); });
    });
    for (auto& info : there)
        if (std::none_of(objects.begin(), objects.end(),
                         [&](const auto& object) { return is_same(info, object->info()); }))
            objects.push_back(std::make_unique<Object>(connection, std::move(info)));
    std::sort(objects.begin(), objects.end(), [](const auto& a, const auto& b) {
        return std::tie(b->info().created_at, a->info().name) <
               std::tie(a->info().created_at, b->info().name);
    });
}

template <class Info, class Object>
std::vector<Info> infos(const std::vector<std::unique_ptr<Object>>& objects) {
    std::vector<Info> all;
    for (const auto& object : objects)
        all.push_back(object->info());
    return all;
}

/// The named one, or the first.
template <class Object>
const Object* pick(const std::vector<std::unique_ptr<Object>>& objects,
                   const std::optional<StoreName>& name) {
    for (const auto& object : objects)
        if (!name || object->info().name == name->str())
            return object.get();
    return nullptr;
}

} // namespace

Catalog::Catalog(sdbus::IConnection& connection, Jobs& jobs, Crew& crew, std::string data_dir)
    : connection_(connection)
    , jobs_(jobs)
    , crew_(crew)
    , data_dir_(std::move(data_dir)) {}

void Catalog::load() {
    for (const auto& path : clean_unfinished(data_dir_))
        log::info("removed what an interrupted job left: " + path);
    refresh();
}

void Catalog::refresh() {
    if (const auto changed = last_change(image_store(data_dir_)); !same(changed, images_seen_)) {
        images_seen_ = changed;
        agree(images_, list_images(data_dir_), connection_);
    }
    if (const auto changed = last_change(kernel_store(data_dir_)); !same(changed, kernels_seen_)) {
        kernels_seen_ = changed;
        agree(kernels_, list_kernels(data_dir_), connection_);
    }
}

std::vector<ImageInfo> Catalog::images() {
    refresh();
    return infos<ImageInfo>(images_);
}

std::vector<KernelInfo> Catalog::kernels() {
    refresh();
    return infos<KernelInfo>(kernels_);
}

ImageInfo Catalog::image(const std::optional<StoreName>& name) {
    refresh();
    if (const auto* found = pick(images_, name))
        return found->info();
    throw Error(ErrorCode::NotFound,
                name ? "there is no image named " + name->str() : "there is no image yet",
                images_.empty() ? "make one: banger image build bookworm --suite bookworm"
                                : "`banger image list` shows the images");
}

KernelInfo Catalog::kernel(const std::optional<StoreName>& name) {
    refresh();
    if (const auto* found = pick(kernels_, name))
        return found->info();
    throw Error(ErrorCode::NotFound,
                name ? "there is no kernel named " + name->str() : "there is no kernel yet",
                kernels_.empty() ? "get one: banger kernel import --deb linux-image-cloud-amd64"
                                 : "`banger kernel list` shows the kernels");
}

void Catalog::claim(const std::string& thing) {
    if (in_the_making_.contains(thing))
        throw Error(ErrorCode::Busy, thing + " is being made", "wait for that job to end");
}

void Catalog::remove_image(const StoreName& name) {
    claim("image " + name.str());
    delete_image(data_dir_, name.str());
    refresh();
}

void Catalog::remove_kernel(const StoreName& name) {
    claim("kernel " + name.str());
    delete_kernel(data_dir_, name.str());
    refresh();
}

std::shared_ptr<Job> Catalog::build(BuildRequest wanted, const Request& request) {
    wanted.data_dir = data_dir_;
    const auto name = StoreName::parse(wanted.name, "image name");
    const auto thing = "image " + name.str();
    claim(thing);
    refuse_existing(image_store(data_dir_), name, "image");
    const auto job = jobs_.make({{}, "image-build", request.op_id, true, request.interactive});
    in_the_making_.insert(thing);
    crew_.run<ImageInfo>(
        {request.op_id, request.interactive, job->stop_token()},
        [wanted, sink = jobs_.step_sink(job), part = jobs_.progress_sink(job)](HelperClient&,
                                                                               const std::stop_token& stop) {
            StepTeller teller(sink, part);
            return teller.run([&](const Progress& progress) { return build_image(wanted, stop, progress); });
        },
        [this, job, thing](Outcome<ImageInfo> outcome) {
            in_the_making_.erase(thing);
            if (const auto* error = std::get_if<Error>(&outcome))
                return job->fail(*error);
            refresh();
            const auto& made = std::get<0>(outcome);
            job->succeed({{"image", sdbus::Variant{path_of(made)}}, {"name", sdbus::Variant{made.name}}});
        });
    return job;
}

std::shared_ptr<Job> Catalog::import(const KernelWish& wanted, const Request& request) {
    const auto thing =
        "kernel " + (wanted.name ? wanted.name->str() : wanted.package + " of a name yet unknown");
    claim(thing);
    if (wanted.name)
        refuse_existing(kernel_store(data_dir_), *wanted.name, "kernel");
    const auto job = jobs_.make({{}, "kernel-import", request.op_id, true, request.interactive});
    in_the_making_.insert(thing);
    crew_.run<KernelInfo>(
        {request.op_id, request.interactive, job->stop_token()},
        [wanted, folder = data_dir_, sink = jobs_.step_sink(job),
         part = jobs_.progress_sink(job)](HelperClient&, const std::stop_token& stop) {
            StepTeller teller(sink, part);
            return teller.run(
                [&](const Progress& progress) { return fulfil(wanted, folder, stop, progress); });
        },
        [this, job, thing](Outcome<KernelInfo> outcome) {
            in_the_making_.erase(thing);
            if (const auto* error = std::get_if<Error>(&outcome))
                return job->fail(*error);
            refresh();
            const auto& made = std::get<0>(outcome);
            job->succeed({{"kernel", sdbus::Variant{path_of(made)}}, {"name", sdbus::Variant{made.name}}});
        });
    return job;
}

} // namespace banger::daemon
